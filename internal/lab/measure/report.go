package measure

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// WriteJSON writes results as a list, samples included.
func WriteJSON(w io.Writer, results []Result) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // goals have < and >
	if results == nil {
		results = []Result{}
	}
	return enc.Encode(results)
}

// WriteTable writes results for people.
func WriteTable(w io.Writer, results []Result) error {
	tab := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tab, "NAME\tOURS\tPEER\tRATIO\tGOAL\t")
	missed := 0
	for _, r := range results {
		verdict := "reached"
		if !r.OK {
			verdict = "missed"
			missed++
		}
		fmt.Fprintf(tab, "%s\t%s %s\t%s %s\t%s\t%s\t%s\n",
			r.Name, figures(r.Ours), r.Unit, figures(r.Peer), r.Unit, figures(r.Ratio), r.Goal, verdict)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if _, err := fmt.Fprintf(w, "\n%s\n  %s.\n", r.Name, r.Versus); err != nil {
			return err
		}
		for _, a := range r.Also {
			if _, err := fmt.Fprintf(w, "  %s\n", a); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "\nRATIO is the median of the rounds' ratios. %s\n", verdict(len(results), missed))
	return err
}

// String writes the number for people.
func (a Also) String() string {
	text := a.Name + ": " + figures(a.Value)
	if a.Unit != "" {
		text += " " + a.Unit
	}
	switch {
	case a.Goal == nil:
		return text
	case a.OK:
		return fmt.Sprintf("%s (%s, reached)", text, a.Goal)
	}
	return fmt.Sprintf("%s (%s, missed)", text, a.Goal)
}

func verdict(all, missed int) string {
	switch {
	case missed == 0 && all == 1:
		return "The goal is reached."
	case missed == 0:
		return fmt.Sprintf("All %d goals are reached.", all)
	}
	return fmt.Sprintf("%d of %d goals missed. --profile DIR shows what our side spends its time on.", missed, all)
}

// figures writes three significant digits, and whole numbers in full.
func figures(x float64) string {
	if x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}
