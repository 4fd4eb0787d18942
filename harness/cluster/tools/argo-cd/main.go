// The health of objects as Argo CD assesses it, with the customizations in its ConfigMap argocd-cm.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Reads the ConfigMap from the file that the argument names, and a list of objects from standard input, as JSON. Prints
// the health of each, in the same order; that of an object without a script is null.
func main() {
	config := struct {
		Data map[string]string `json:"data"`
	}{}
	file, err := os.ReadFile(os.Args[1])
	check(err)
	check(yaml.Unmarshal(file, &config))
	overrides := lua.ResourceHealthOverrides{}
	for key, script := range config.Data {
		// util/settings of Argo CD reads the group and the kind from a key like this, too.
		if groupKind, isHealth := strings.CutPrefix(key, "resource.customizations.health."); isHealth {
			overrides[strings.Replace(groupKind, "_", "/", 1)] = v1alpha1.ResourceOverride{HealthLua: script}
		}
	}

	var objects []map[string]any
	check(json.NewDecoder(os.Stdin).Decode(&objects))
	healths := []any{}
	for _, object := range objects {
		health, err := overrides.GetResourceHealth(&unstructured.Unstructured{Object: object})
		check(err)
		healths = append(healths, health)
	}
	check(json.NewEncoder(os.Stdout).Encode(healths))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
