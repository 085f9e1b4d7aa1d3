package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// row is one figure of the table. All are better when they are smaller.
type row struct {
	Name string
	Unit string
	Goal float64
	// Of each round.
	Values []float64
}

// figures is the table of one bundle.
type figures struct {
	Name   string
	Rows   []*row
	bundle string
}

func (f *figures) note(name, unit string, goal, value float64) {
	for _, known := range f.Rows {
		if known.Name == name {
			known.Values = append(known.Values, value)
			return
		}
	}
	f.Rows = append(f.Rows, &row{name, unit, goal, []float64{value}})
}

func (r *row) median() float64 {
	sorted := slices.Sorted(slices.Values(r.Values))
	return sorted[len(sorted)/2]
}

func (r *row) met() bool { return r.median() <= r.Goal }

// print writes the table, with another bundle beside where there is one, and says whether the first meets all goals.
func print(measured []*figures) bool {
	first := measured[0]
	fmt.Printf("\n%-58s %10s", "measure", "goal")
	for _, f := range measured {
		fmt.Printf(" %21s", f.Name)
	}
	if len(measured) > 1 {
		fmt.Printf(" %7s", "ratio")
	}
	fmt.Println()
	met := 0
	for i, r := range first.Rows {
		mark := "! "
		if r.met() {
			met++
			mark = "  "
		}
		fmt.Printf("%s%-56s %7.4g %-2s %s", mark, r.Name, r.Goal, r.Unit, r.text())
		for _, other := range measured[1:] {
			fmt.Printf(" %s %7.2f", other.Rows[i].text(), r.median()/max(other.Rows[i].median(), 1e-9))
		}
		fmt.Println()
	}
	fmt.Printf("bench control plane: %d of %d met\n", met, len(first.Rows))
	return met == len(first.Rows)
}

// text is the median, with the least and the greatest of several rounds.
func (r *row) text() string {
	if len(r.Values) == 1 {
		return fmt.Sprintf("%21.4g", r.median())
	}
	return fmt.Sprintf("%7.4g [%5.4g,%5.4g]", r.median(), slices.Min(r.Values), slices.Max(r.Values))
}

func save(file string, measured []*figures) error {
	text, err := json.MarshalIndent(measured, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// quantile of durations in milliseconds; of none, infinitely long would be right, and 1e9 can be printed.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 1e9
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Seconds() * 1000
}
