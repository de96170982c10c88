// Package catalogue has the figures of the catalogue, its views and its mirror.
package catalogue
