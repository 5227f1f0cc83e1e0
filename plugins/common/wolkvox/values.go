package wolkvox

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"telegraf-wolkvox-ivr/plugins/common/hours"
)

// textOf returns the text of a string or number, without surrounding white space, and "" for null. It returns false for anything else.
func textOf(v gjson.Result) (string, bool) {
	switch {
	case v.Type == gjson.String:
		return strings.TrimSpace(v.Str), true
	case v.Type == gjson.Number:
		return v.Raw, true
	case v.Type == gjson.Null && v.Exists():
		return "", true
	}
	return "", false
}

// textOrJSON returns the text of a string, number or null, and the JSON of anything else.
func textOrJSON(v gjson.Result) string {
	if text, ok := textOf(v); ok {
		return text
	}
	return v.Raw
}

// isPlaceholder reports whether the text means no value (seen in public clients).
func isPlaceholder(text string) bool {
	return text == "" || text == "-"
}

// parseHour parses the hour of a date such as 2026011819, 2026-01-18-19 or 2026-01-18 19:34:31: year, month, day and hour, optionally
// minutes and seconds, with -, /, :, T, a blank or nothing between any two of them.
func parseHour(date string) (hours.Hour, bool) {
	const parts = 6
	var part [parts]int
	rest, n := date, 0
	for ; n < parts && rest != ""; n++ {
		if n > 0 && strings.IndexByte("-/:T ", rest[0]) >= 0 {
			rest = rest[1:]
		}
		width := 2
		if n == 0 {
			width = 4
		}
		if len(rest) < width {
			return 0, false
		}
		for _, digit := range []byte(rest[:width]) {
			if digit < '0' || digit > '9' {
				return 0, false
			}
			part[n] = part[n]*10 + int(digit-'0')
		}
		rest = rest[width:]
	}
	year, month, day, hour, minute, second := part[0], part[1], part[2], part[3], part[4], part[5]
	if rest != "" || n < 4 || year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return hours.HourOf(year, month, day, hour), true
}

// parseClock parses an hour of the day such as 8, 08, 08:00 or 08:00:00.
func parseClock(text string) (hour int, ok bool) {
	digits, rest, hasRest := strings.Cut(text, ":")
	minutes, seconds, hasSeconds := strings.Cut(rest, ":")
	_, isMinutes := parseSixty(minutes)
	_, isSeconds := parseSixty(seconds)
	if len(digits) > 2 || !isDigits(digits) || hasRest && !isMinutes || hasSeconds && !isSeconds {
		return 0, false
	}
	for _, digit := range []byte(digits) {
		hour = hour*10 + int(digit-'0')
	}
	return hour, hour < hours.Day
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parseCalls parses a whole number. Decimals must be zeros, but not three of them, which may be thousands. A placeholder is 0.
func parseCalls(text string) (int64, bool) {
	if isPlaceholder(text) {
		return 0, true
	}
	whole, fraction, _ := strings.Cut(strings.Replace(text, ",", ".", 1), ".")
	if !isDigits(whole) || strings.Trim(fraction, "0") != "" || len(fraction) == 3 {
		return 0, false
	}
	calls, err := strconv.ParseInt(whole, 10, 64)
	return calls, err == nil
}

// parseMinutes parses minutes with a decimal point or comma, or a duration HH:MM:SS. A placeholder is 0. Three digits after a comma may be
// thousands, and are refused unless isDecimal; after a point they are decimals (vendor documentation: "2.887").
func parseMinutes(text string, isDecimal bool) (float64, bool) {
	if isPlaceholder(text) {
		return 0, true
	}
	if strings.Contains(text, ":") {
		return parseDuration(text)
	}
	if whole, fraction, _ := strings.Cut(text, ","); !isDecimal && mayBeThousands(whole, fraction) {
		return 0, false
	}
	text = strings.Replace(text, ",", ".", 1)
	whole, fraction, decimals := strings.Cut(text, ".")
	if !isDigits(whole) || decimals && !isDigits(fraction) {
		return 0, false
	}
	minutes, err := strconv.ParseFloat(text, 64)
	return minutes, err == nil
}

// mayBeThousands reports whether the separator between these digits may separate thousands.
func mayBeThousands(whole, fraction string) bool {
	return len(fraction) == 3 && len(whole) <= 3 && whole[:min(len(whole), 1)] != "0"
}

// mayHaveThousandsPoint reports whether the text is a number whose point may separate thousands.
func mayHaveThousandsPoint(text string) bool {
	whole, fraction, _ := strings.Cut(text, ".")
	return isDigits(whole) && isDigits(fraction) && mayBeThousands(whole, fraction)
}

// parseDuration parses HH:MM:SS and returns minutes.
func parseDuration(text string) (float64, bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return 0, false
	}
	whole, err := strconv.ParseUint(parts[0], 10, 32)
	minutes, okMinutes := parseSixty(parts[1])
	seconds, okSeconds := parseSixty(parts[2])
	return float64(whole)*60 + minutes + seconds/60, err == nil && okMinutes && okSeconds
}

// parseSixty parses two digits that are less than 60.
func parseSixty(text string) (float64, bool) {
	if len(text) != 2 || !isDigits(text) || text[0] > '5' {
		return 0, false
	}
	return float64(text[0]-'0')*10 + float64(text[1]-'0'), true
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// Quote returns the redacted text, cut to n bytes, in quotes and with control characters escaped.
func Quote(text string, n int) string {
	text, rest := cut(redacted(text), n)
	return strconv.Quote(text) + rest
}

// Bound returns the redacted text, cut to n bytes.
func Bound(text string, n int) string {
	text, rest := cut(redacted(text), n)
	return strings.ToValidUTF8(text, string(utf8.RuneError)) + rest
}

// cut returns at most n bytes of the text, in whole characters, and "…" if there are more. Invalid bytes are kept, because dropping them
// would join the text around them.
func cut(text string, n int) (first, rest string) {
	if len(text) <= n {
		return text, ""
	}
	for least := max(n-utf8.UTFMax, 0); n > least && !utf8.RuneStart(text[n]); {
		n--
	}
	return text[:n], "…"
}
