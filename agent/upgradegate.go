package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/quaestor-engine/quaestor/agent/upgrade"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// judgeUpgrade decides about what a relay calls an upgrade. The checks stand in
// the order of docs/upgrade.md, and the first that fails ends it. The error is
// a *signing.Refusal; the upgrade is there where administrators stand behind it
// and mean this machine. entry is what the history says of it.
func (a *Agent) judgeUpgrade(ctx context.Context, raw []byte) (u signing.Upgrade, entry journal.Entry, err error) {
	var m message.Upgrade
	if err := message.Unmarshal(raw, &m); err != nil {
		return u, entry, refusal(signing.CodeMalformed, "no upgrade: %w", err)
	}
	release, err := checkStructure(m.Release)
	if err != nil {
		return u, entry, err
	}
	rollOut, err := checkStructure(m.RollOut)
	if err != nil {
		return u, entry, err
	}
	now, policy := a.opts.Now(), a.Policy()
	if err := a.journal.Clock(now); err != nil {
		return u, entry, refusal(signing.CodeClock, "this machine's clock cannot be trusted: %w", err)
	}
	if u, err = policy.VerifyUpgrade(release, rollOut, now); err != nil {
		return signing.Upgrade{}, entry, err
	}
	if err := a.checkNewer(u); err != nil {
		return signing.Upgrade{}, entry, err
	}
	if err := a.checkMeant(ctx, policy, u.RollOut()); err != nil {
		return signing.Upgrade{}, entry, err
	}
	if err := a.checkMember(); err != nil {
		return u, entry, err
	}
	if err := a.checkOwner(); err != nil {
		return u, entry, err
	}
	if _, ok := u.Release().For(runtime.GOOS, runtime.GOARCH); !ok {
		return u, entry, refusal(signing.CodePlatform, "release %s has no program for %s/%s", u.Release().Release, runtime.GOOS, runtime.GOARCH)
	}
	proof, err := a.checkUpgradeLogged(ctx, policy, u, m)
	return u, entryOf(u, m.RollOut, proof, now), err
}

// checkNewer: the release is newer than what runs and than whatever was active
// here, and did not fail here.
func (a *Agent) checkNewer(u signing.Upgrade) error {
	release := u.Release().Release
	if !signing.Newer(release, a.opts.Software) {
		return refusal(signing.CodeOlder, "release %s is not newer than %s, which runs here: older code comes back under a higher version alone", release, a.opts.Software)
	}
	if h := a.upgrade.store.State().Highest; !signing.Newer(release, h) {
		return refusal(signing.CodeOlder, "release %s is not newer than %s, which ran here: older code comes back under a higher version alone", release, h)
	}
	if f, ok := a.upgrade.store.Tried(u.Manifest()); ok {
		return refusal(signing.CodeTried, "release %s failed here at %s: %s", release, stamp(f.At), f.Reason)
	}
	return nil
}

// checkMeant: the target of the stage is true of this machine as it is now.
func (a *Agent) checkMeant(ctx context.Context, policy *signing.Policy, o *signing.RollOut) error {
	target, err := plan.Decode(o.Compiled)
	if err != nil {
		return refusal(signing.CodeMalformed, "the target of the roll-out: %w", err)
	}
	if target.Source != "fleet" && target.Source != "host" {
		return refusal(signing.CodeTarget, "the roll-out is FROM %s, and releases go to a fleet or to hosts", target.Source)
	}
	_ = a.check.wait(ctx) // as in admit
	p := &permit{policy: policy, plan: target, facts: a.ownFacts()}
	p.facts["last_seen"] = value.NewTime(a.opts.Now())
	if err := a.checkSource(ctx, p); err != nil {
		return err
	}
	return a.checkTarget(ctx, p)
}

// checkOwner: the owner of the machine, and of the program, lets upgrades be.
func (a *Agent) checkOwner() error {
	if !a.opts.Upgrades {
		return refusal(signing.CodeUpgrade, "this program is run by one that does not try releases")
	}
	if own := a.conf.Upgrade; own != nil {
		if !*own {
			return refusal(signing.CodeUpgrade, "the owner of this machine lets nothing be installed: %s says upgrade = false", configFile)
		}
		return nil
	}
	program := a.upgrade.store.State().Starter
	if program == "" {
		var err error
		if program, err = os.Executable(); err == nil {
			program, err = filepath.EvalSymlinks(program)
		}
		if err != nil {
			return refusal(signing.CodeUpgrade, "whose the program is cannot be told: %w", err)
		}
	}
	if who := upgrade.ManagedBy(runtime.GOOS, a.upgrade.root, program); who != "" {
		return refusal(signing.CodeUpgrade, "%s is managed by %s, which upgrades it: upgrade = true in %s would install releases beside it", program, who, configFile)
	}
	return nil
}

// checkUpgradeLogged: where the policy asks for it, both are in the log. It
// gives the proof that the stage is.
func (a *Agent) checkUpgradeLogged(ctx context.Context, policy *signing.Policy, u signing.Upgrade, m message.Upgrade) ([]byte, error) {
	release := u.Release().Release
	if _, err := a.proved(ctx, policy, translog.Entry{Kind: translog.KindRelease, Name: release, Sum: translog.SumOf(m.Release)}); err != nil {
		return nil, err
	}
	stage := fmt.Sprintf("%s/%d", release, u.RollOut().Number)
	return a.proved(ctx, policy, translog.Entry{Kind: translog.KindRollOut, Name: stage, Sum: translog.SumOf(m.RollOut)})
}
