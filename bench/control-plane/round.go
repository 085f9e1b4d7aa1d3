package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// round measures everything once, with a fresh process.
func (w *world) round(ctx context.Context, f *figures) error {
	process, err := w.startControlPlane(ctx)
	if err != nil {
		return err
	}
	defer func() { process.kill() }()
	proxies, err := w.newFleet(ctx)
	if err != nil {
		return err
	}
	streams, closeAll := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer closeAll()

	if err := w.storm(ctx, f, process, proxies, func() {
		for _, p := range proxies.proxies {
			wait.Add(1)
			go func() {
				defer wait.Done()
				p.run(streams)
			}()
		}
	}); err != nil {
		return err
	}
	w.rest(ctx, f, process)
	if w.reporting {
		if err := w.telemetry(ctx, f, process, proxies); err != nil {
			return err
		}
	}
	lost := w.changes(ctx, f, process, proxies, 1)
	lost += w.changes(ctx, f, process, proxies, 50)
	w.unrelated(ctx, f, process)
	if err := w.callers(ctx, f, proxies); err != nil {
		return err
	}
	f.note("memory at its highest, start included", "MB", w.goal(550, 1e6), process.memory("VmHWM"))
	f.note("changes that did not reach every proxy in 10 s", "", 0, float64(lost))
	process, err = w.restart(ctx, f, process, proxies)
	return err
}

// goal is the one of a real run, or in a smoke run one that only something broken misses.
func (w *world) goal(real, smoke float64) float64 {
	if w.smoke {
		return smoke
	}
	return real
}

// storm connects all proxies at once.
func (w *world) storm(ctx context.Context, f *figures, process *daemon, proxies *fleet, connect func()) error {
	time.Sleep(3 * time.Second)
	memory, cpu := process.memory("VmRSS"), process.cpu()
	proxies.restartCount()
	start := time.Now()
	connect()
	if !proxies.untilServed(ctx, 5*time.Minute) {
		return fmt.Errorf("only %d of %d proxies were served", proxies.served.Load(), w.proxies)
	}
	last := slices.MaxFunc(proxies.servedAt, time.Time.Compare).Sub(start)
	used := process.cpu() - cpu
	count := float64(w.proxies)
	f.note("all connect at once: last one served", "s", w.goal(5, 60), last.Seconds())
	f.note("all connect at once: handshakes that timed out", "", 0, float64(proxies.timeouts.Load()))
	f.note("CPU of a new connection", "ms", w.goal(1, 1e6), used.Seconds()*1000/count)
	time.Sleep(5 * time.Second)
	f.note("memory of a connected proxy", "KB", w.goal(50, 1e6), (process.memory("VmRSS")-memory)*1000/count)
	return nil
}

func (w *world) duration() time.Duration { return time.Duration(w.seconds) * time.Second }

// share is the part of the core that the process used while act ran, in percent.
func share(process *daemon, act func()) float64 {
	start, cpu := time.Now(), process.cpu()
	act()
	return (process.cpu() - cpu).Seconds() / time.Since(start).Seconds() * 100
}

func (w *world) rest(ctx context.Context, f *figures, process *daemon) {
	used := share(process, func() { sleep(ctx, w.duration()) })
	f.note("CPU at rest, all connected", "%", w.goal(1, 100), used)
}

// changes flips endpoints of one service after the other, and waits for each change to reach the last proxy.
func (w *world) changes(ctx context.Context, f *figures, process *daemon, proxies *fleet, perSecond int) (lost int) {
	var mu sync.Mutex
	var took []time.Duration
	var wait sync.WaitGroup
	round := make([]int, w.services)
	used := share(process, func() {
		phase, stop := context.WithTimeout(ctx, w.duration())
		defer stop()
		every(phase, perSecond, func(n int) {
			service := 1 + n%(w.services-1)
			if proxies.subscribers[service] == 0 {
				return
			}
			round[service]++
			ready := round[service]%2 == 0
			wait.Add(1)
			go func() {
				defer wait.Done()
				duration, ok := w.change(ctx, proxies, service, ready)
				mu.Lock()
				defer mu.Unlock()
				if !ok {
					lost++
					return
				}
				took = append(took, duration)
			}()
		})
		wait.Wait()
	})
	for service, flips := range round {
		if flips%2 == 1 {
			w.changeEndpoint(ctx, service, true)
		}
	}
	time.Sleep(time.Second)
	rate := fmt.Sprintf("%d changes/s", perSecond)
	// At 1/s and at 50/s.
	goals := [3]float64{10, 30, 1}
	if perSecond > 1 {
		goals = [3]float64{15, 100, 15}
	}
	f.note(rate+": until the last proxy has it, p50", "ms", w.goal(goals[0], 10_000), quantile(took, 0.5))
	f.note(rate+": until the last proxy has it, p99", "ms", w.goal(goals[1], 10_000), quantile(took, 0.99))
	f.note(rate+": CPU", "%", w.goal(goals[2], 100), used)
	return lost
}

// change counts from the API server's answer to the write.
func (w *world) change(ctx context.Context, proxies *fleet, service int, ready bool) (time.Duration, bool) {
	c := &change{want: int64(proxies.subscribers[service]), done: make(chan time.Duration, 1)}
	c.start = time.Now()
	proxies.changes[service].Store(c)
	defer proxies.changes[service].CompareAndSwap(c, nil)
	if err := w.changeEndpoint(ctx, service, ready); err != nil {
		fmt.Println(err)
		return 0, false
	}
	answered := time.Since(c.start)
	select {
	case took := <-c.done:
		return max(took-answered, 0), true
	case <-time.After(10 * time.Second):
		return 0, false
	}
}

func (w *world) unrelated(ctx context.Context, f *figures, process *daemon) {
	var wait sync.WaitGroup
	var failed atomic.Int64
	used := share(process, func() {
		phase, stop := context.WithTimeout(ctx, w.duration())
		defer stop()
		every(phase, 50, func(n int) {
			wait.Add(1)
			go func() {
				defer wait.Done()
				if w.touchUnrelated(ctx, n) != nil {
					failed.Add(1)
				}
			}()
		})
		wait.Wait()
	})
	if n := failed.Load(); n > 0 {
		fmt.Printf("%d writes of a pod's status failed\n", n)
	}
	f.note("50 status writes/s of pods that nobody subscribes to: CPU", "%", w.goal(1.7, 100), used)
}

// callers has up to 1,000 proxies begin and end to use one policy, and counts the writes of its status.
func (w *world) callers(ctx context.Context, f *figures, proxies *fleet) error {
	var writes atomic.Int64
	if err := w.createPolicy(ctx); err != nil {
		return err
	}
	defer w.deletePolicy(ctx)
	// Its first status is no matter of who comes and goes.
	time.Sleep(4 * time.Second)
	phase, stop := context.WithTimeout(ctx, w.duration())
	defer stop()
	if err := w.api.countChanges(phase, policies, &writes); err != nil {
		return err
	}
	callers := proxies.proxies[:min(1000, w.proxies)]
	start := time.Now()
	every(phase, 200, func(n int) { callers[n%len(callers)].toggle(policiedService) })
	f.note("1,000 callers of a policy come and go: status writes/s", "", 5, float64(writes.Load())/time.Since(start).Seconds())
	return nil
}

// restart kills the process, starts another one, and waits until every proxy is back; pods are admitted meanwhile.
func (w *world) restart(ctx context.Context, f *figures, process *daemon, proxies *fleet) (*daemon, error) {
	proxies.restartCount()
	start := time.Now()
	process.kill()
	next, err := w.startControlPlane(ctx)
	if err != nil {
		return next, err
	}
	ready := time.Since(start)
	stop, err := startAdmissions()
	if err != nil {
		return next, err
	}
	back := proxies.untilServed(ctx, 5*time.Minute)
	if time.Since(start) < ready+2*time.Second {
		sleep(ctx, 2*time.Second)
	}
	admitted, err := stop()
	if err != nil {
		return next, err
	}
	if !back {
		return next, fmt.Errorf("only %d of %d proxies came back", proxies.served.Load(), w.proxies)
	}
	last := slices.MaxFunc(proxies.servedAt, time.Time.Compare).Sub(start)
	fmt.Printf("ready again after %.1f s\n", ready.Seconds())
	f.note("killed and started again: all back", "s", w.goal(8, 90), last.Seconds())
	f.note("killed and started again: connections opened by a proxy", "", w.goal(2, 1e6), float64(proxies.attempts.Load())/float64(w.proxies))
	f.note("50 admissions/s meanwhile: webhook p99", "ms", w.goal(50, 10_000), quantile(admitted, 0.99))
	return next, nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
