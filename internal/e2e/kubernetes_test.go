package e2e

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

// A manifest is what the test wants to know of one.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		ServiceName string `yaml:"serviceName"`
		Replicas    int
		Template    struct {
			Spec struct {
				InitContainers []container `yaml:"initContainers"`
				Containers     []container
			}
		}
	}
}

type container struct {
	Name    string
	Command []string
	Ports   []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
}

// What the manifests type sets up a relay, with the command as it is, for each
// of their pods.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/examples/kubernetes/relays.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	var set manifest
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if m.APIVersion == "" || m.Metadata.Name == "" {
			t.Errorf("%+v has no name or version", m)
		}
		if kinds[m.Kind]++; m.Kind == "StatefulSet" {
			set = m
		}
	}
	if kinds["Service"] != 2 || kinds["StatefulSet"] != 1 || kinds["NetworkPolicy"] != 1 || kinds["PodDisruptionBudget"] != 1 {
		t.Fatalf("the manifests are %v", kinds)
	}
	pod := set.Spec.Template.Spec
	_, line, ok := strings.Cut(pod.InitContainers[0].Command[2], " || exec quaestor-relay ")
	if !ok || pod.Containers[0].Command[0] != "quaestor-relay" {
		t.Fatalf("the commands are %v and %v", pod.InitContainers[0].Command, pod.Containers[0].Command)
	}
	fleet := fleetFolder(t)
	want, err := relay.Pin(fleet)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"quaestor-relay-0", "quaestor-relay-1", "quaestor-relay-2"} {
		dir := filepath.Join(t.TempDir(), "relay")
		args := strings.Fields(strings.NewReplacer(`"$POD_NAME"`, name, "/data/relay", dir, "/fleet", fleet).Replace(line))
		setUp(t, args...)
		conf, err := os.ReadFile(filepath.Join(dir, "relay.toml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range []string{`name = "` + name + `"`, "replicas = 3", `"quaestor-relay-2.` + set.Spec.ServiceName + `:7444"`} {
			if !strings.Contains(string(conf), said) {
				t.Errorf("relay.toml of %s has no %s:\n%s", name, said, conf)
			}
		}
		if pin, err := relay.Pin(dir); err != nil || pin != want {
			t.Errorf("its pin is %s, %v", pin, err)
		}
	}
}

// setUp runs the relay's command.
func setUp(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(filepath.Join(bin, "quaestor-relay"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// fleetFolder makes what the secret of the manifests has: the folder of a relay
// without its settings.
func fleetFolder(t *testing.T) string {
	t.Helper()
	key, err := signing.NewPrivateKey("Ada", "ada@example.org", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	person := []signing.PrincipalSpec{{Name: "Ada", Key: key.Public()}}
	text := signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "example", Administrators: person, Investigators: person})
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	policy, dir := filepath.Join(t.TempDir(), "policy.env"), filepath.Join(t.TempDir(), "fleet")
	if err := os.WriteFile(policy, e.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	setUp(t, "init", dir, "--name", "fleet", "--policy", policy, "--host", "relay.example.org")
	if err := os.Remove(filepath.Join(dir, "relay.toml")); err != nil {
		t.Fatal(err)
	}
	return dir
}
