package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const contrib = "../../contrib/"

// takes checks that a command line is one of css-sync, without running it.
func takes(t *testing.T, where string, words []string) {
	t.Helper()
	cmd, rest, err := newProgram(nil, nil, nil, nil).RootCommand().Find(words)
	require.NoError(t, err, where)
	require.NoError(t, cmd.ParseFlags(rest), where)
	assert.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), where)
	assert.True(t, cmd.Runnable() && cmd.HasParent(), "%s: %v is no command", where, words)
}

// ownVariable is what css-sync reads of the environment.
var ownVariable = regexp.MustCompile(`\bCSS_SYNC_[A-Z_]+`)

// hasVariables checks that the variables that a text names are those of settings.
func hasVariables(t *testing.T, where, text string) {
	t.Helper()
	known := []string{"CSS_SYNC_CONFIG"}
	everySetting(func(_ *cobra.Command, _ string, variables []string) { known = append(known, variables...) })
	for _, name := range ownVariable.FindAllString(text, -1) {
		assert.True(t, slices.Contains(known, name), "%s: there is no variable %s", where, name)
	}
}

// TestUnitsOfSystemd: systemd finds no fault with them, and css-sync none with what they say to it.
func TestUnitsOfSystemd(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("this test needs systemd-analyze; `make deps` installs it: %v", err)
	}
	require.NoError(t, err)
	files, err := filepath.Glob(contrib + "systemd/*.service")
	require.NoError(t, err)
	require.Len(t, files, 4)
	dir := t.TempDir()
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		line := regexp.MustCompile(`(?m)^ExecStart=(\S+) (.*)$`).FindStringSubmatch(string(text))
		require.Len(t, line, 3, file)
		require.Equal(t, "/usr/local/bin/css-sync", line[1], file)
		takes(t, file, strings.Fields(line[2]))
		hasVariables(t, file, string(text))
		here, err := filepath.Abs(os.Args[0])
		require.NoError(t, err)
		copied := filepath.Join(dir, filepath.Base(file)) // of a program that is there
		require.NoError(t, os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), line[1], here)), 0o600))
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no",
			copied).CombinedOutput()
		assert.NoError(t, err, "%s", out)
		assert.Empty(t, string(out), "what is unknown to it systemd leaves out, with a warning")
	}
}

// TestContribIsChecked: css-sync does not take what is none of its flags. Without that the tests here could not fail.
func TestContribIsChecked(t *testing.T) {
	t.Parallel()
	cmd, rest, err := newProgram(nil, nil, nil, nil).RootCommand().Find([]string{"serve", "--no-such-flag"})
	require.NoError(t, err)
	assert.Error(t, cmd.ParseFlags(rest))
}

// container is what a manifest says of one.
type container struct {
	Name, Image string
	Args        []string
	Env         []struct{ Name string }
	Ports       []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	LivenessProbe   *probe                  `yaml:"livenessProbe"`
	ReadinessProbe  *probe                  `yaml:"readinessProbe"`
	SecurityContext map[string]any          `yaml:"securityContext"`
	VolumeMounts    []struct{ Name string } `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// manifest is what the tests look at of one. The types of Kubernetes themselves take 40 s of a processor to compile,
// which is more than these few files are worth.
type manifest struct {
	Kind string
	Spec struct {
		Replicas int
		Template struct {
			Spec struct {
				InitContainers []container `yaml:"initContainers"`
				Containers     []container
				Volumes        []struct{ Name string }
			}
		}
	}
}

// TestManifestsOfKubernetes: what they say to css-sync it takes, and what they refer to is there.
func TestManifestsOfKubernetes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(contrib + "kubernetes/*.yaml")
	require.NoError(t, err)
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		hasVariables(t, file, string(text))
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			var m manifest
			require.NoError(t, yaml.Unmarshal([]byte(document), &m), file)
			require.NotEmpty(t, m.Kind, file)
			pod := m.Spec.Template.Spec
			var volumes []string
			for _, v := range pod.Volumes {
				volumes = append(volumes, v.Name)
			}
			for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
				for _, v := range c.VolumeMounts {
					assert.Contains(t, volumes, v.Name, "%s: %s", file, c.Name)
				}
				if c.Image == "" {
					continue // it is the czar's own
				}
				ran++
				holds(t, file, c)
			}
		}
	}
	assert.Equal(t, 3, ran)
}

// holds checks a container of css-sync.
func holds(t *testing.T, file string, c container) {
	t.Helper()
	takes(t, file, c.Args)
	assert.Equal(t, true, c.SecurityContext["readOnlyRootFilesystem"], file)
	var ports, variables []string
	for _, p := range c.Ports {
		ports = append(ports, p.Name)
		assert.Contains(t, c.Args, "0.0.0.0:"+strconv.Itoa(p.ContainerPort), file)
	}
	if len(c.Ports) > 0 {
		assert.Contains(t, ports, c.LivenessProbe.HTTPGet.Port, file)
		assert.Equal(t, "/livez", c.LivenessProbe.HTTPGet.Path, file)
		assert.Contains(t, ports, c.ReadinessProbe.HTTPGet.Port, file)
		// beside a czar, whose kvData grows old with etcd away and changes no more, that is no reason to be without it
		assert.Regexp(t, `^/readyz(\?exclude=etcd)?$`, c.ReadinessProbe.HTTPGet.Path, file)
	}
	for _, v := range c.Env {
		variables = append(variables, v.Name)
	}
	for _, a := range c.Args {
		if name, ok := strings.CutPrefix(a, "$("); ok {
			assert.Contains(t, variables, strings.TrimSuffix(name, ")"), file)
		}
	}
}

// TestImageRunsCssSync, as a user without rights.
func TestImageRunsCssSync(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(contrib + "container/Dockerfile")
	require.NoError(t, err)
	words := func(instruction string) []string {
		found := regexp.MustCompile(`(?m)^`+instruction+` (.*)$`).FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, found, instruction)
		return strings.FieldsFunc(found[len(found)-1][1], func(r rune) bool { return strings.ContainsRune(`[]", `, r) })
	}
	assert.Equal(t, []string{"/usr/local/bin/css-sync"}, words("ENTRYPOINT"))
	takes(t, "Dockerfile", words("CMD"))
	assert.NotContains(t, []string{"root", "0", "0:0"}, words("USER")[0])
	assert.Contains(t, string(text), "-X main.version=")
	assert.DirExists(t, "../../"+words("RUN")[len(words("RUN"))-1])
}
