package wolkvox_ivr

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	common_tls "github.com/influxdata/telegraf/plugins/common/tls"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

const (
	maxLookback = 30 * 24 * time.Hour
	maxBackfill = 10 * 366 * 24 * time.Hour
)

var (
	// unsetVariable matches a reference to an unset environment variable, which Telegraf leaves in place.
	unsetVariable = regexp.MustCompile(`\$\{[^}]*\}|^\$[A-Za-z_]\w*$`)

	// digits matches the digits of a server's host name, whose first label has at most 63 characters, including "wv".
	digits = regexp.MustCompile(`^[0-9]{1,61}$`)
)

// HoursOption is the option `hours`.
type HoursOption string

// The values of HoursOption. See hours.Mode.
const (
	AllHours   HoursOption = "all"
	EndedHours HoursOption = "ended"
	FinalHours HoursOption = "final"
)

// EmptyHours is the option `empty_hours`: whether hours without calls are sent.
type EmptyHours string

// The values of EmptyHours.
const (
	OmitEmpty EmptyHours = "omit"
	ZeroEmpty EmptyHours = "zero" // sent as 0 calls
)

// textOption also accepts a number, so that Init can explain the mistake.
type textOption string

// UnmarshalText is called for strings and numbers alike.
func (o *textOption) UnmarshalText(text []byte) error {
	*o = textOption(text)
	return nil
}

// serverDigits returns the digits of the server's host name, between "wv" and ".wolkvox.com".
func serverDigits(option string) (string, error) {
	name := strings.TrimSpace(strings.ToLower(option))
	name = strings.TrimSuffix(name, ".wolkvox.com")
	name = strings.TrimPrefix(name, "wv")
	switch {
	case option == "":
		return "", errors.New(`server is empty: set it to the operation's server, e.g. "0001" for wv0001.wolkvox.com`)
	case unsetVariable.MatchString(option):
		return "", fmt.Errorf("an environment variable in server = %q is not set: set it in Telegraf's environment", option)
	case digits.MatchString(name) && len(name) < 4:
		return "", fmt.Errorf("server = %q has fewer than four digits: unquoted numbers lose their leading zeros, so write server = \"%04s\"", option, name)
	case !digits.MatchString(name): // not quoted, because it may be the token
		return "", errors.New(`server has no digits: use those of wvNNNN in the address that your browser shows after you log in at ` +
			`manager.wolkvox.com, e.g. "0001" for https://wv0001.wolkvox.com`)
	}
	return name, nil
}

// baseURL returns the URL up to /api, without a trailing slash.
func baseURL(option, server string) (string, error) {
	if unsetVariable.MatchString(option) {
		return "", fmt.Errorf("an environment variable in url = %q is not set: set it in Telegraf's environment", option)
	}
	u, err := url.Parse(strings.ReplaceAll(option, "{server}", server))
	switch {
	case err != nil:
		return "", errors.New(`url is invalid: use one such as "https://wv{server}.wolkvox.com"`)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("url has a user, a query or a fragment: remove them, because the token is the only credential")
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("url = %q is not the URL of a server: use one such as \"https://wv{server}.wolkvox.com\"", option)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", fmt.Errorf("url = %q would send the token over the network unencrypted: use https (plain http is allowed for loopback addresses only)",
			u.String())
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func loadLocation(option string) (*time.Location, error) {
	location, err := time.LoadLocation(option)
	if err != nil || option == "" || option == "Local" { // Local may differ between a container and its host
		return nil, fmt.Errorf("timezone = %s is unknown: use the IANA name of the operation's time zone, "+
			`such as "America/Bogota", or "Etc/GMT+5" for five hours behind UTC`, wolkvox.Quote(option, 80))
	}
	return location, nil
}

func checkOperation(option string) error {
	switch {
	case unsetVariable.MatchString(option):
		return fmt.Errorf("an environment variable in operation = %q is not set: set it in Telegraf's environment", option)
	case option != strings.TrimSpace(option) || strings.ContainsFunc(option, unicode.IsControl):
		return fmt.Errorf("operation = %q has leading or trailing spaces, or control characters: use a plain name", option)
	case strings.HasSuffix(option, `\`): // line protocol can't represent it at the end of a tag
		return fmt.Errorf("operation = %q ends with a backslash, which would be lost: use a plain name", option)
	}
	return nil
}

func (w *WolkvoxIVR) checkRanges() error {
	_, isMode := modes[w.Hours]
	switch {
	case w.Lookback < 0 || time.Duration(w.Lookback) > maxLookback:
		return fmt.Errorf("lookback = \"%s\" is out of range: set it between \"0s\" and \"720h\"; use backfill for older hours",
			time.Duration(w.Lookback))
	case w.Lookback > 0 && time.Duration(w.Lookback) < time.Minute:
		return fmt.Errorf("lookback = \"%s\" is less than a minute: a number without a unit is in seconds, so write hours as \"3h\"", time.Duration(w.Lookback))
	case w.Backfill > 0 && time.Duration(w.Backfill) < time.Hour:
		return fmt.Errorf("backfill = \"%s\" is less than an hour: a number without a unit is in seconds, so write days as \"365d\"", time.Duration(w.Backfill))
	case w.Backfill < 0 || time.Duration(w.Backfill) > maxBackfill:
		return fmt.Errorf("backfill = \"%s\" is out of range: set it between \"0s\" and ten years, e.g. \"365d\" for one year",
			time.Duration(w.Backfill))
	case w.Timeout <= 0:
		return fmt.Errorf("timeout = \"%s\" is out of range: set it above \"0s\", e.g. \"60s\"", time.Duration(w.Timeout))
	case !isMode:
		return fmt.Errorf(`hours = %q is unknown: set it to "all", "ended" or "final"`, w.Hours)
	case w.EmptyHours != OmitEmpty && w.EmptyHours != ZeroEmpty:
		return fmt.Errorf(`empty_hours = %q is unknown: set it to "omit" or "zero"`, w.EmptyHours)
	}
	return nil
}

// modes maps values of the option `hours` to modes.
var modes = map[HoursOption]hours.Mode{AllHours: hours.All, EndedHours: hours.Ended, FinalHours: hours.Final}

// hoursOptions returns the options for package hours.
func (w *WolkvoxIVR) hoursOptions() (hours.Options, error) {
	location, err := loadLocation(w.Timezone)
	if err != nil {
		return hours.Options{}, err
	}
	days, err := parseDays(w.Reread)
	if err != nil {
		return hours.Options{}, err
	}
	return hours.Options{
		Calendar:              hours.Calendar{Location: location},
		Lookback:              time.Duration(w.Lookback),
		Backfill:              time.Duration(w.Backfill),
		Mode:                  modes[w.Hours],
		SendZeros:             w.EmptyHours == ZeroEmpty,
		HistoryBetweenGathers: w.interval() > longInterval,
		Reread:                w.Reread,
		RereadDays:            days,
	}, nil
}

// parseDays parses the option `reread`: a day, or the first and last of several, as in "2026-03-01/2026-03-15".
func parseDays(option string) (hours.Window, error) {
	if option == "" {
		return hours.Window{}, nil
	}
	from, to, isRange := strings.Cut(option, "/")
	if !isRange {
		to = from
	}
	first, errFirst := time.Parse(time.DateOnly, strings.TrimSpace(from))
	last, errLast := time.Parse(time.DateOnly, strings.TrimSpace(to))
	switch {
	case errFirst != nil || errLast != nil:
		return hours.Window{}, fmt.Errorf(`reread = %s is invalid: use a day, or the first and last of several, such as "2026-03-01/2026-03-15"`,
			wolkvox.Quote(option, 80))
	case last.Before(first):
		return hours.Window{}, fmt.Errorf("reread = %q ends before it begins: write the earlier day first", option)
	case !hours.IsSupported(dayOf(first)) || !hours.IsSupported(dayOf(last)):
		return hours.Window{}, fmt.Errorf("reread = %q is outside the years 2000 to 2200: use days that have reports", option)
	case last.Sub(first) > maxBackfill:
		return hours.Window{}, fmt.Errorf("reread = %q is longer than ten years: use a shorter range", option)
	}
	return hours.Window{From: dayOf(first), To: dayOf(last) + hours.Day}, nil
}

func dayOf(date time.Time) hours.Hour {
	return hours.HourOf(date.Year(), int(date.Month()), date.Day(), 0)
}

// checkToken checks the token if it is available. A token in an unreachable secret store is no error, because each request reads it again.
func (w *WolkvoxIVR) checkToken() error {
	if w.Token.Empty() {
		return wolkvox.CheckToken("")
	}
	secret, err := w.Token.Get()
	if err != nil {
		return nil
	}
	defer secret.Destroy()
	token := strings.TrimSpace(secret.String())
	wolkvox.HideToken(token) // before any operation's first request
	return wolkvox.CheckToken(token)
}

// transport returns the HTTP transport for the options.
func (w *WolkvoxIVR) transport(base string) (*http.Transport, error) {
	// Telegraf prefers the environment's proxy, which is the default here, to http_proxy_url.
	w.UseSystemProxy = w.UseSystemProxy && w.HTTPProxyURL == ""

	if w.HTTPProxyURL != "" {
		// Telegraf's error would contain the password.
		u, err := url.Parse(w.HTTPProxyURL)
		if err != nil || u.Scheme == "" || u.Hostname() == "" {
			return nil, errors.New(`http_proxy_url is invalid: use one such as "http://proxy.example.org:3128", and percent-encode special characters of a ` +
				`password, such as %23 for #`)
		}
	}
	transport, err := w.CreateTransport()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(base, "http:") {
		transport.Proxy = nil // it would see the token in clear text, and http is only for loopback addresses
	}
	transport.MaxResponseHeaderBytes = wolkvox.MaxHeaderBytes
	transport.TLSHandshakeTimeout = wolkvox.HandshakeTimeout
	// On a kept connection, net/http logs unsolicited responses, which may contain the token, and may repeat requests without counting them.
	transport.DisableKeepAlives = true
	// HTTP/2 has no benefit with one request per connection, and GODEBUG=http2debug=2 prints the token.
	transport.Protocols = &http.Protocols{}
	transport.Protocols.SetHTTP1(true)

	// Telegraf ignores tls_min_version if no other TLS option is set.
	if w.TLSMinVersion != "" && (w.Enable == nil || *w.Enable) {
		version, err := common_tls.ParseTLSVersion(w.TLSMinVersion)
		if err != nil {
			return nil, fmt.Errorf("tls_min_version = %q is unknown: %w", w.TLSMinVersion, err)
		}
		if transport.TLSClientConfig == nil {
			transport.TLSClientConfig = &tls.Config{}
		}
		transport.TLSClientConfig.MinVersion = version
	}
	return transport, nil
}
