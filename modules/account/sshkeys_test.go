package account

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestKnownHosts(t *testing.T) {
	root := host(t, map[string]string{
		"etc/passwd":                    "ann:x:1000:100::/home/ann:/bin/bash\n",
		"home/ann/.ssh/known_hosts":     "# x\nweb,10.0.0.1 " + keyLine + "\n|1|abc=|def= " + keyLine + " c d\n@other x " + keyLine + "\nweb ssh-rsa AAAA\n",
		"home/ann/.ssh/known_hosts.old": "[gone]:2222 " + keyLine,
		"etc/ssh/ssh_known_hosts":       "@cert-authority *.example.org " + keyLine + "\n@revoked * " + keyLine,
	})
	got, rec := moduletest.Rows(t, knownHosts(), root, []string{"path", "user", "line", "hosts", "hashed", "marker", "type", "bits", "fingerprint", "comment"}, nil)
	key := " | ssh-ed25519 | 256 | " + keyPrint + " | "
	want := []string{
		"/home/ann/.ssh/known_hosts | ann | 2 | [web, 10.0.0.1] | false | null" + key + "null",
		"/home/ann/.ssh/known_hosts | ann | 3 | [|1|abc=|def=] | true | null" + key + "c d",
		"/home/ann/.ssh/known_hosts.old | ann | 1 | [[gone]:2222] | false | null" + key + "null",
		"/etc/ssh/ssh_known_hosts | null | 1 | [*.example.org] | false | @cert-authority" + key + "null",
		"/etc/ssh/ssh_known_hosts | null | 2 | [*] | false | @revoked" + key + "null",
	}
	if !slices.Equal(got, want) || len(rec.Skips()) != 2 {
		t.Errorf("%s\n%+v", strings.Join(got, "\n"), rec.Skips())
	}
}

// Whatever way a key is kept, its row says what ssh-keygen says.
func TestKeyFilesAgainstKeygen(t *testing.T) {
	kinds := [][]string{{"-t", "rsa", "-b", "2048"}, {"-t", "dsa"}, {"-t", "ecdsa", "-b", "384"}, {"-t", "ed25519"}}
	for _, kind := range kinds {
		for _, format := range []string{"", "PEM", "PKCS8"} {
			for _, passphrase := range []string{"", "a secret"} {
				args := append(slices.Clone(kind), "-N", passphrase)
				if format != "" {
					args = append(args, "-m", format)
				}
				t.Run(strings.Join(args, " "), func(t *testing.T) { checkKeyFile(t, args, format, passphrase != "") })
			}
		}
	}
}

func checkKeyFile(t *testing.T, args []string, format string, encrypted bool) {
	name := makeKey(t, args...)
	private, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(name + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	root := host(t, map[string]string{"root/.ssh/id": string(private), "root/.ssh/id.pub": string(public), "etc/passwd": "root:x:0:0::/root:/bin/sh\n"})
	got, rec := moduletest.Rows(t, sshKeys(), root, []string{"kind", "bits", "fingerprint", "encrypted", "user"}, nil)
	said := listKey(t, name+".pub", "sha256")
	hidden := encrypted && !strings.HasPrefix(string(private), "-----BEGIN OPENSSH")
	first := "private | " + said[0] + " | " + said[1] + " | " + strconv.FormatBool(encrypted) + " | root"
	if hidden {
		first = "private | null | null | true | root"
	}
	want := []string{first, "public | " + said[0] + " | " + said[1] + " | null | root"}
	if !slices.Equal(got, want) || len(rec.Skips()) > 0 {
		t.Errorf("%s: %q\nnot %q; %+v", format, got, want, rec.Skips())
	}
	got, _ = moduletest.Rows(t, sshKeys(), root, []string{"cipher", "comment"}, []string{"/root/.ssh/id"})
	cipher, comment, _ := strings.Cut(got[0], " | ")
	if (cipher == "null") == encrypted {
		t.Errorf("the cipher is %s", cipher)
	}
	if format == "" && !encrypted && comment != "a comment" {
		t.Errorf("the comment is %s", comment)
	}
}

// PKCS#8 as openssl writes it.
func TestKeyFilesAgainstOpenssl(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("LEFT OUT: openssl is not installed")
	}
	for _, c := range []struct{ args, algorithm string }{
		{"genpkey -algorithm ed25519", "ssh-ed25519"},
		{"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ecdsa-sha2-nistp256"},
		{"ecparam -genkey -noout -name secp521r1", "ecdsa-sha2-nistp521"},
		{"genpkey -algorithm x25519", "null"},
	} {
		out, err := exec.CommandContext(t.Context(), "openssl", strings.Fields(c.args)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		root := host(t, map[string]string{"etc/ssh/key": string(out)})
		got, rec := moduletest.Rows(t, sshKeys(), root, []string{"type", "encrypted"}, nil)
		if !slices.Equal(got, []string{c.algorithm + " | false"}) {
			t.Errorf("%s: %q, %+v", c.args, got, rec.Skips())
		}
	}
}

func TestNoKeys(t *testing.T) {
	root := host(t, map[string]string{
		"etc/ssh/sshd_config": "Port 22", "etc/ssh/moduli": strings.Repeat("x", 2*maxKeyFile), "etc/ssh/d/x": "",
		"etc/ssh/cut":     "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==\n-----END OPENSSH PRIVATE KEY-----\n",
		"etc/ssh/bad.pub": "nothing",
	})
	got, rec := moduletest.Rows(t, sshKeys(), root, []string{"path"}, nil)
	if len(got) > 0 || len(rec.Skips()) != 2 {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
}

func FuzzPrivate(f *testing.F) {
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, ok := parsePrivate(text); ok && !isPrivate(text) && k.fingerprint != "" {
			t.Errorf("%+v", k)
		}
		parsePrivate([]byte("-----BEGIN PRIVATE KEY-----\n" + string(text) + "\n-----END PRIVATE KEY-----\n"))
		parsePKCS8(text)
		pkcs8Cipher(text)
		ecKey(text, nil)
		rsaKey(text)
		parseOpenSSH(append([]byte("openssh-key-v1\x00"), text...))
	})
}

func FuzzKnownHost(f *testing.F) {
	f.Add("@revoked a,b " + keyLine)
	f.Fuzz(func(t *testing.T, line string) {
		if h, ok := parseKnownHost(line); ok && len(h.hosts) == 0 {
			t.Errorf("%+v", h)
		}
	})
}
