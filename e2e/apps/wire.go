package main

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// faults is what a wire does to frames: PUT /faults on its control socket. Nothing of it touches any other wire.
type faults struct {
	// LossPercent of the frames are lost.
	LossPercent float64 `json:"lossPercent"`
	// DelayMillis is what each frame takes, give or take JitterMillis; frames stay in order.
	DelayMillis  float64 `json:"delayMillis"`
	JitterMillis float64 `json:"jitterMillis"`
	// ReorderPercent of the frames take ReorderMillis longer, and others overtake them.
	ReorderPercent float64 `json:"reorderPercent"`
	ReorderMillis  float64 `json:"reorderMillis"`
	// MaxBytes is the longest IP packet that passes; longer ones vanish and nobody is told. 0: no limit.
	MaxBytes int `json:"maxBytes"`
	// CutIn and CutOut: nothing passes towards the pod, or from it; no link goes down and nobody is told.
	CutIn  bool `json:"cutIn"`
	CutOut bool `json:"cutOut"`
}

// carried counts the frames of both directions since a wire was last asked: POST /take on its control socket.
type carried struct {
	Passed    int `json:"passed"`
	Lost      int `json:"lost"`
	Delayed   int `json:"delayed"`
	Reordered int `json:"reordered"`
	TooLong   int `json:"tooLong"`
	Cut       int `json:"cut"`
}

// wire carries Ethernet frames between two links, as netem would on kernels that have it: packet by packet, so that TCP
// of either side is the kernel's own.
type wire struct {
	mutex   sync.Mutex
	faults  faults
	carried carried
}

const (
	solPacket            = 263
	packetVnetHeader     = 15
	packetIgnoreOutgoing = 23
	vnetHeaderBytes      = 10
	ethernetBytes        = 14
	// mostWaiting bounds the frames that are held back in one direction; what comes beyond is lost, as in any queue.
	mostWaiting = 20_000
)

func runWire(args []string) error {
	flags := flag.NewFlagSet("wire", flag.ExitOnError)
	pod := flags.String("pod", "in", "link towards the pod")
	world := flags.String("world", "out", "link towards everything else")
	control := flags.String("control", "", "Unix socket on which to be told faults and asked what was carried")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	inner, err := openLink(*pod)
	if err != nil {
		return err
	}
	outer, err := openLink(*world)
	if err != nil {
		return err
	}
	w := &wire{}
	listener, err := net.Listen("unix", *control)
	if err != nil {
		return err
	}
	failed := make(chan error, 3)
	go func() { failed <- w.carry(inner, outer, func(f faults) bool { return f.CutOut }) }()
	go func() { failed <- w.carry(outer, inner, func(f faults) bool { return f.CutIn }) }()
	go func() { failed <- http.Serve(listener, w.control()) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// openLink reads and writes whole frames of a link. What the kernel left to the hardware, checksums, stands in a header
// before each and is passed on, so that no offload has to be switched off.
func openLink(name string) (int, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	const every = syscall.ETH_P_ALL<<8&0xff00 | syscall.ETH_P_ALL>>8
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, every)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	for _, option := range []int{packetVnetHeader, packetIgnoreOutgoing} {
		if err := syscall.SetsockoptInt(socket, solPacket, option, 1); err != nil {
			return 0, fmt.Errorf("%s, option %d: %w", name, option, err)
		}
	}
	_ = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 8<<20)
	return socket, syscall.Bind(socket, &syscall.SockaddrLinklayer{Protocol: every, Ifindex: link.Index})
}

// carry takes frames from one link to the other until something fails.
func (w *wire) carry(from, to int, isCut func(faults) bool) error {
	held := &holding{to: to, arrived: make(chan struct{}, 1)}
	go held.release()
	buffer := make([]byte, 1<<17)
	for {
		n, err := syscall.Read(from, buffer)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ENETDOWN) {
			continue
		}
		if err != nil {
			return err
		}
		if after, passes := w.judge(n-vnetHeaderBytes-ethernetBytes, isCut); passes {
			held.take(append([]byte(nil), buffer[:n]...), after)
		}
	}
}

// judge says what becomes of a packet, and counts it.
func (w *wire) judge(bytes int, isCut func(faults) bool) (after lateness, passes bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	f := w.faults
	switch {
	case isCut(f):
		w.carried.Cut++
		return after, false
	case f.MaxBytes > 0 && bytes > f.MaxBytes:
		w.carried.TooLong++
		return after, false
	case rand.Float64()*100 < f.LossPercent:
		w.carried.Lost++
		return after, false
	}
	w.carried.Passed++
	if f.DelayMillis > 0 {
		w.carried.Delayed++
		after.ordered = millis(f.DelayMillis + f.JitterMillis*(2*rand.Float64()-1))
	}
	if rand.Float64()*100 < f.ReorderPercent {
		w.carried.Reordered++
		after.overtaken = millis(f.ReorderMillis)
	}
	return after, true
}

func millis(count float64) time.Duration {
	return time.Duration(max(0, count) * float64(time.Millisecond))
}

func (w *wire) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /faults", func(out http.ResponseWriter, r *http.Request) {
		var wanted faults
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&wanted); err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.faults = wanted
	})
	mux.HandleFunc("POST /take", func(out http.ResponseWriter, _ *http.Request) {
		w.mutex.Lock()
		taken := w.carried
		w.carried = carried{}
		w.mutex.Unlock()
		_ = json.NewEncoder(out).Encode(taken)
	})
	return mux
}

// lateness of a frame: what all have, in order, and what lets others overtake it.
type lateness struct{ ordered, overtaken time.Duration }

type heldFrame struct {
	due    time.Time
	number int
	bytes  []byte
}

// holding keeps frames of one direction until they are due.
type holding struct {
	to      int
	arrived chan struct{}

	mutex  sync.Mutex
	frames frames
	last   time.Time
	number int
}

func (h *holding) take(bytes []byte, after lateness) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	due := time.Now().Add(after.ordered)
	if due.Before(h.last) {
		due = h.last
	}
	h.last = due
	if after == (lateness{}) && len(h.frames) == 0 {
		h.send(bytes)
		return
	}
	if len(h.frames) >= mostWaiting {
		return
	}
	h.number++
	heap.Push(&h.frames, heldFrame{due: due.Add(after.overtaken), number: h.number, bytes: bytes})
	select {
	case h.arrived <- struct{}{}:
	default:
	}
}

// send ignores what a link does not take: the frame is lost, as on any wire.
func (h *holding) send(bytes []byte) {
	_, _ = syscall.Write(h.to, bytes)
}

func (h *holding) release() {
	for {
		wait := h.sendDue(time.Now())
		select {
		case <-h.arrived:
		case <-time.After(wait):
		}
	}
}

// sendDue sends what is due and says how long until there is more.
func (h *holding) sendDue(now time.Time) time.Duration {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for len(h.frames) > 0 {
		if wait := h.frames[0].due.Sub(now); wait > 0 {
			return wait
		}
		h.send(heap.Pop(&h.frames).(heldFrame).bytes)
	}
	return time.Hour
}

// frames is a heap by when they are due, and of those due at once by when they came.
type frames []heldFrame

func (f frames) Len() int      { return len(f) }
func (f frames) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f frames) Less(i, j int) bool {
	if f[i].due.Equal(f[j].due) {
		return f[i].number < f[j].number
	}
	return f[i].due.Before(f[j].due)
}
func (f *frames) Push(frame any) { *f = append(*f, frame.(heldFrame)) }
func (f *frames) Pop() any {
	all := *f
	last := all[len(all)-1]
	*f = all[:len(all)-1]
	return last
}
