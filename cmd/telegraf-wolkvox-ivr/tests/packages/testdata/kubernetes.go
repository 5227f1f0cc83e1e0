//go:build ignore

// Command kubernetes decodes the manifest on stdin strictly, into Kubernetes' own types, and prints the kind of each
// document. TestKubernetes runs it in Telegraf's module, which has these types.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	log.SetFlags(0)
	manifest, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	kinds := map[string]func() any{
		"v1 Secret":                func() any { return new(corev1.Secret) },
		"v1 ConfigMap":             func() any { return new(corev1.ConfigMap) },
		"v1 PersistentVolumeClaim": func() any { return new(corev1.PersistentVolumeClaim) },
		"apps/v1 Deployment":       func() any { return new(appsv1.Deployment) },
	}
	for _, document := range strings.Split(string(manifest), "\n---\n") {
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			log.Fatal(err)
		}
		name := kind.APIVersion + " " + kind.Kind
		if kinds[name] == nil {
			log.Fatalf("unknown kind %q", name)
		}
		if err := yaml.UnmarshalStrict([]byte(document), kinds[name]()); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		fmt.Println(name)
	}
}
