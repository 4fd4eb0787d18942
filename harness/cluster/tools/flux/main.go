// The health of objects as Flux's kustomize-controller evaluates it, with its health check expressions.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Reads a Kustomization from the file that the argument names, and a list of objects from standard input, as JSON.
// Prints the status of each, in the same order; an object without expressions of its own has none.
func main() {
	kustomization := struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}{}
	file, err := os.ReadFile(os.Args[1])
	check(err)
	check(yaml.Unmarshal(file, &kustomization))
	forCluster, err := cel.NewStatusReader(kustomization.Spec.HealthCheckExprs)
	check(err)
	reader := forCluster(nil)

	var objects []map[string]any
	check(json.NewDecoder(os.Stdin).Decode(&objects))
	statuses := []string{}
	for _, object := range objects {
		object := &unstructured.Unstructured{Object: object}
		status := ""
		if reader.Supports(object.GroupVersionKind().GroupKind()) {
			read, err := reader.ReadStatusForObject(context.Background(), nil, object)
			check(err)
			check(read.Error)
			status = string(read.Status)
		}
		statuses = append(statuses, status)
	}
	check(json.NewEncoder(os.Stdout).Encode(statuses))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
