// What Argo CD and Flux do with the objects of a cluster: they find what differs from Git and what is to be pruned,
// and apply what is in Git.
//
// Usage: gitops argo-cd METHOD client|server, or gitops flux
//
// Standard input is {"git": […], "live": […]}: the objects in Git, and those in their namespace. The output is
// {"drift": […], "prune": […]}, as it was before the objects in Git were applied; names are KIND/NAME.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
	"github.com/fluxcd/pkg/ssa"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"sigs.k8s.io/controller-runtime/pkg/client"
	runtimelog "sigs.k8s.io/controller-runtime/pkg/log"
)

// The application of Argo CD, and the Kustomization of Flux.
const name = "shop"

type objects []*unstructured.Unstructured

type found struct {
	Drift []string `json:"drift"`
	Prune []string `json:"prune"`
}

func main() {
	runtimelog.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	check(err)
	var input struct {
		Git  []map[string]any `json:"git"`
		Live []map[string]any `json:"live"`
	}
	check(json.NewDecoder(os.Stdin).Decode(&input))
	git, live := parse(input.Git), parse(input.Live)
	var found found
	switch os.Args[1] {
	case "argo-cd":
		found = argoCD(config, git, live, v1alpha1.TrackingMethod(os.Args[2]), os.Args[3] == "server")
	case "flux":
		found = flux(config, git, live)
	default:
		log.Fatalf("no such tool: %s", os.Args[1])
	}
	check(json.NewEncoder(os.Stdout).Encode(found))
}

func argoCD(config *rest.Config, git, live objects, method v1alpha1.TrackingMethod, serverSide bool) found {
	found := found{Drift: []string{}, Prune: []string{}}
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	_, parser, err := kubectl.LoadOpenAPISchema(config)
	check(err)
	applier, clean, err := kubectl.ManageResources(config)
	check(err)
	defer clean()
	rehearser, clean, err := kubectl.ManageServerSideDiffDryRuns(config)
	check(err)
	defer clean()

	tracking := argo.NewResourceTracking()
	isInGit := map[string]bool{}
	for _, object := range git {
		check(tracking.SetAppInstance(object, common.LabelKeyAppInstance, name, object.GetNamespace(), method, ""))
		isInGit[id(object)] = true
		result, err := diff.Diff(object, like(object, live),
			diff.WithLogr(logr.Discard()),
			diff.WithGVKParser(parser),
			diff.WithManager(common.ArgoCDSSAManager),
			diff.WithServerSideDiff(serverSide),
			diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(rehearser)))
		check(err)
		if result.Modified {
			found.Drift = append(found.Drift, id(object))
		}
	}
	for _, object := range live {
		if tracking.GetAppName(object, common.LabelKeyAppInstance, method, "") == name && !isInGit[id(object)] {
			found.Prune = append(found.Prune, id(object))
		}
	}
	for _, object := range git {
		_, err := applier.ApplyResource(context.Background(), object, cmdutil.DryRunNone, false, true, serverSide,
			common.ArgoCDSSAManager)
		check(err)
	}
	return found
}

func flux(config *rest.Config, git, live objects) found {
	found := found{Drift: []string{}, Prune: []string{}}
	cluster, err := client.New(config, client.Options{})
	check(err)
	manager := ssa.NewResourceManager(cluster, nil, ssa.Owner{
		Field: "kustomize-controller",
		Group: "kustomize.toolkit.fluxcd.io",
	})
	manager.SetOwnerLabels(git, name, "flux-system")
	changes, err := manager.ApplyAllStaged(context.Background(), git, ssa.DefaultApplyOptions())
	check(err)
	for _, change := range changes.Entries {
		if change.Action != ssa.UnchangedAction {
			found.Drift = append(found.Drift, changed(change))
		}
	}
	// It prunes what is in its inventory and has its labels. Even if everything were in its inventory …
	isInGit := map[string]bool{}
	for _, object := range git {
		isInGit[id(object)] = true
	}
	var others objects
	for _, object := range live {
		if !isInGit[id(object)] {
			others = append(others, object)
		}
	}
	options := ssa.DefaultDeleteOptions()
	options.Inclusions = manager.GetOwnerLabels(name, "flux-system")
	deletions, err := manager.DeleteAll(context.Background(), others, options)
	check(err)
	for _, deletion := range deletions.Entries {
		if deletion.Action != ssa.SkippedAction {
			found.Prune = append(found.Prune, changed(deletion))
		}
	}
	return found
}

func parse(all []map[string]any) objects {
	var parsed objects
	for _, object := range all {
		parsed = append(parsed, &unstructured.Unstructured{Object: object})
	}
	return parsed
}

// The live object of the same kind and name; nil where there is none.
func like(object *unstructured.Unstructured, live objects) *unstructured.Unstructured {
	for _, other := range live {
		if id(other) == id(object) {
			return other
		}
	}
	return nil
}

func id(object *unstructured.Unstructured) string {
	return fmt.Sprintf("%s/%s", object.GetKind(), object.GetName())
}

func changed(entry ssa.ChangeSetEntry) string {
	return fmt.Sprintf("%s/%s", entry.ObjMetadata.GroupKind.Kind, entry.ObjMetadata.Name)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
