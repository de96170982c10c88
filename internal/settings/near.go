package settings

import (
	"slices"
	"strings"
)

// didYouMean returns what to say after the name of a setting that there is not: the nearest that there is, if any.
func didYouMean(name string, known map[string]Known) string {
	const far = 3
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	plain = strings.TrimPrefix(strings.TrimPrefix(plain, "css-sync-"), "etcdctl-")
	nearest, least := "", far
	for other, what := range known {
		d := distance(plain, other)
		if what.Never == "" && d < len(other)/2 && (d < least || d == least && d < far && other < nearest) {
			nearest, least = other, d
		}
	}
	if nearest == "" {
		return ""
	}
	return `; did you mean "` + nearest + `"?`
}

// distance is how many characters have to be put in, taken out or changed to make one text of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
