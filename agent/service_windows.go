package agent

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// Install makes the agent a service of Windows. It needs the rights of an
// administrator.
func (s Service) Install() (f ServiceFile, err error) {
	if f, err = s.File("windows"); err != nil {
		return f, err
	}
	m, err := mgr.Connect()
	if err != nil {
		return f, fmt.Errorf("agent: the service manager: %w", err)
	}
	defer m.Disconnect()
	conf := mgr.Config{
		DisplayName: "Quaestor agent", Description: "Answers signed questions about this machine.",
		StartType: mgr.StartAutomatic, DelayedAutoStart: true,
	}
	v, err := m.CreateService(WindowsService, s.Program, conf, "run", "--dir", s.Dir)
	if err != nil {
		return f, fmt.Errorf("agent: the service %s: %w", WindowsService, err)
	}
	defer v.Close()
	again := []mgr.RecoveryAction{{Type: mgr.ServiceRestart, Delay: 10 * time.Second}}
	return f, v.SetRecoveryActions(again, uint32((24 * time.Hour).Seconds()))
}

// RunService calls run, as a service where the service manager started the
// program.
func RunService(ctx context.Context, run func(context.Context) error) error {
	service, err := svc.IsWindowsService()
	if err != nil {
		return err
	}
	if !service {
		return run(ctx)
	}
	h := &handler{ctx: ctx, run: run}
	if err := svc.Run(WindowsService, h); err != nil {
		return err
	}
	return h.err
}

// A handler is what the service manager talks to.
type handler struct {
	ctx context.Context
	run func(context.Context) error
	err error
}

// Execute implements svc.Handler.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.run(ctx) }()
	accepts := svc.AcceptStop | svc.AcceptShutdown
	status <- svc.Status{State: svc.Running, Accepts: accepts}
	for {
		select {
		case h.err = <-done:
			status <- svc.Status{State: svc.StopPending}
			if h.err != nil {
				return false, 1
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending}
				cancel()
			}
		}
	}
}
