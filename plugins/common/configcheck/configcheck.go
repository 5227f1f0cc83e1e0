// Package configcheck checks a Telegraf configuration file that has nothing but inputs, as external plugins use,
// against the built-in inputs and secret stores. Its errors name the file and the line, and suggest the nearest name
// for an unknown one. Telegraf's loader finds many of these errors, but not all, and rarely names the line.
package configcheck

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/template"
	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/plugins/secretstores"
	"github.com/influxdata/toml"
	"github.com/influxdata/toml/ast"

	"telegraf-wolkvox-ivr/plugins/common/redact"
)

// inputOptions are the options that every input accepts. Telegraf accepts more, such as "delay" or "flush_interval",
// that have no effect on an input, and silently ignores values of the wrong type.
type inputOptions struct {
	Alias                string              `toml:"alias"`
	CollectionJitter     duration            `toml:"collection_jitter"`
	CollectionOffset     duration            `toml:"collection_offset"`
	Drop                 []string            `toml:"drop"`
	FieldDrop            []string            `toml:"fielddrop"`
	FieldExclude         []string            `toml:"fieldexclude"`
	FieldInclude         []string            `toml:"fieldinclude"`
	FieldPass            []string            `toml:"fieldpass"`
	Interval             duration            `toml:"interval"`
	Labels               map[string]string   `toml:"labels"`
	LogLevel             logLevel            `toml:"log_level"`
	MetricPass           string              `toml:"metricpass"`
	NameDrop             []string            `toml:"namedrop"`
	NameDropSeparator    string              `toml:"namedrop_separator"`
	NameOverride         string              `toml:"name_override"`
	NamePass             []string            `toml:"namepass"`
	NamePassSeparator    string              `toml:"namepass_separator"`
	NamePrefix           string              `toml:"name_prefix"`
	NameSuffix           string              `toml:"name_suffix"`
	Pass                 []string            `toml:"pass"`
	Precision            duration            `toml:"precision"`
	StartupErrorBehavior string              `toml:"startup_error_behavior"`
	TagDrop              map[string][]string `toml:"tagdrop"`
	TagExclude           []string            `toml:"tagexclude"`
	TagInclude           []string            `toml:"taginclude"`
	TagPass              map[string][]string `toml:"tagpass"`
	Tags                 map[string]string   `toml:"tags"`
}

// storeOptions are the options that every secret store accepts.
type storeOptions struct {
	ID     string            `toml:"id"`
	Labels map[string]string `toml:"labels"`
}

// agentOptions are the options of [agent] that affect inputs. The others affect what happens to metrics later.
var agentOptions = []string{
	"always_include_global_tags", "always_include_local_tags", "collection_jitter", "collection_offset", "debug", "hostname",
	"interval", "omit_hostname", "precision", "quiet", "round_interval", "snmp_translator", "statefile",
}

type duration struct{}

// UnmarshalTOML accepts the durations that Telegraf accepts, except negative ones.
func (*duration) UnmarshalTOML(source []byte) error {
	d, err := time.ParseDuration(strings.Trim(string(source), `"'`))
	if err != nil || d < 0 || source[0] != '"' && source[0] != '\'' {
		return errors.New(`expected a duration such as "5m"`)
	}
	return nil
}

type logLevel struct{}

// UnmarshalText accepts Telegraf's names of log levels.
func (*logLevel) UnmarshalText(name []byte) error {
	if telegraf.LogLevelFromString(string(name)) == telegraf.None {
		return errors.New(`expected "error", "warn", "info", "debug" or "trace"`)
	}
	return nil
}

// File is a configuration file, parsed by Telegraf's own parser.
type File struct {
	Path         string
	Content      []byte
	Warnings     []string // about harmless mistakes
	WantsHostTag bool     // whether [agent] asks for the tag host

	tables   map[string][]*ast.Table // of inputs, by plugin, in the file's order
	secrets  redact.Secrets          // values of secret options, redacted in errors
	problems []problem
}

type problem struct {
	line int
	text string
}

func (f *File) addProblem(line int, format string, args ...any) {
	f.problems = append(f.problems, problem{line, f.secrets.Redact(fmt.Sprintf(format, args...))})
}

// At returns file and line, or only the file if the line is 0.
func (f *File) At(line int) string {
	if line == 0 {
		return f.Path
	}
	return fmt.Sprintf("%s:%d", f.Path, line)
}

// InputLine returns the line of the plugin's n-th table, counted from 0.
func (f *File) InputLine(plugin string, n int) int {
	return f.tables[plugin][n].Line
}

// Forget erases the content and the tables, which may contain secrets. InputLine must not be called afterwards.
func (f *File) Forget() {
	clear(f.Content)
	f.Content, f.tables = nil, nil
}

// Origin is where the value of an option comes from.
type Origin struct {
	Name        string // such as "the environment variable TOKEN"
	InFile      bool   // the value, or a part of it, is in the file
	HasVariable bool   // part of the value comes from an environment variable
}

var (
	variable = regexp.MustCompile(`^(?:\$(\w+)|\$\{(\w+)[^}]*\})$`)
	store    = regexp.MustCompile(`^@\{(\w+):\w+\}$`)
)

// Origin returns where the option gets its value in the plugin's table at the line. The result never quotes the value,
// which may be secret, nor a part of a longer value that merely looks like a variable's name.
func (f *File) Origin(plugin string, line int, option string) Origin {
	origin := Origin{Name: "the configuration file", InFile: true}
	for _, tbl := range f.tables[plugin] {
		node, isSet := tbl.Fields[option].(*ast.KeyValue)
		if tbl.Line != line || !isSet {
			continue
		}
		text, isString := node.Value.(*ast.String)
		if !isString {
			break
		}
		if match := store.FindStringSubmatch(text.Value); match != nil {
			return Origin{Name: "the secret store " + match[1]}
		}
		if match := variable.FindStringSubmatch(text.Value); match != nil {
			if name := match[1] + match[2]; os.Getenv(name) != "" {
				return Origin{Name: "the environment variable " + name}
			}
		}
		_, err := template.SubstituteWithOptions(text.Value, func(name string) (string, bool) {
			value, isSet := os.LookupEnv(name)
			origin.HasVariable = origin.HasVariable || isSet
			return value, isSet
		}, template.WithoutLogging)
		origin.HasVariable = origin.HasVariable && err == nil
	}
	return origin
}

// maxStatement is how many lines syntaxError searches backwards for the start of a statement.
const maxStatement = 20

// syntaxError returns an error of the TOML parser with the line where the faulty statement begins. The parser names the
// line where it gave up.
func (f *File) syntaxError(err error) error {
	if place := zeroNumber.FindIndex(f.Content); place != nil {
		line := 1 + bytes.Count(f.Content[:place[1]], []byte("\n"))
		return fmt.Errorf("%s: a number can't begin with 0: write it in quotes", f.At(line))
	}
	var last int
	if _, scanErr := fmt.Sscanf(err.Error(), "line %d: invalid TOML syntax", &last); scanErr != nil {
		return LoaderError(err, f)
	}
	lines := bytes.SplitAfter(f.Content, []byte("\n"))
	for line := min(last, len(lines)); line > max(0, last-maxStatement); line-- {
		if _, err := toml.Parse(bytes.Join(lines[:line-1], nil)); err == nil {
			if quote := typographic.Find(lines[line-1]); quote != nil {
				return fmt.Errorf("%s: invalid TOML syntax: %q is a typographic character: use plain quotes and spaces", f.At(line), quote)
			}
			return fmt.Errorf("%s: invalid TOML syntax: a quote, a bracket or an equals sign is missing, "+
				"or a backslash in double quotes is not doubled", f.At(line))
		}
	}
	return LoaderError(err, f)
}

// typographic matches the quotes and blanks that word processors and web pages insert.
var typographic = regexp.MustCompile("[“”„‘’«»\u00a0]")

// zeroNumber matches a number that begins with 0, which TOML rejects. It is usually an identifier without quotes.
var zeroNumber = regexp.MustCompile(`(?m)^\s*[\w-]+\s*=\s*0\d`)

// Read reads and checks the file at path, which may be a URL. Names and errors leave out the URL's login and query.
func Read(path string) (*File, error) {
	if u, err := url.Parse(path); err == nil {
		if err := checkEncrypted(u); err != nil {
			return nil, fmt.Errorf("reading the configuration failed: %w", err)
		}
	}
	http.DefaultClient.CheckRedirect = func(r *http.Request, via []*http.Request) error { // Telegraf's loader uses this client
		if len(via) >= maxRedirects {
			return errors.New("too many redirects")
		}
		return checkEncrypted(r.URL)
	}
	defer func() { http.DefaultClient.CheckRedirect = nil }()
	content, isURL, err := config.LoadConfigFile(path)
	if err != nil && isURL {
		return nil, fmt.Errorf("reading the configuration failed: %s", redact.URLs(err.Error()))
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("reading the configuration failed: %w. This is user %s: run it as Telegraf's user, with \"sudo -u telegraf\" before the "+
			"command. If this is Telegraf's user: sudo chgrp telegraf %s && sudo chmod 640 %s", err, userName(), path, path)
	}
	if err != nil && strings.Contains(err.Error(), "not a TOML file") {
		return nil, fmt.Errorf("reading the configuration failed: %w: save it as UTF-8 text", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration failed: %w", err)
	}
	f := &File{Path: redact.URLs(path), Content: toUTF8(content), tables: make(map[string][]*ast.Table)}
	for n, line := range bytes.Split(f.Content, []byte("\n")) {
		if !utf8.Valid(line) {
			return nil, fmt.Errorf("%s: invalid UTF-8: save the file as UTF-8 text", f.At(1+n))
		}
	}
	root, err := toml.Parse(f.Content)
	if err != nil {
		return nil, f.syntaxError(err)
	}

	f.checkStrings(root)
	for name, node := range root.Fields {
		f.checkTopLevel(name, node)
	}
	if len(f.problems) > 0 {
		first := slices.MinFunc(f.problems, func(a, b problem) int { return a.line - b.line })
		return nil, fmt.Errorf("%s: %s", f.At(first.line), first.text)
	}
	return f, nil
}

const maxRedirects = 10

// checkEncrypted returns an error if the URL is plain http to another machine.
func checkEncrypted(u *url.URL) error {
	if u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
		return fmt.Errorf("%s would be fetched over the network unencrypted, secrets included: use https", redact.URLs(u.String()))
	}
	return nil
}

// toUTF8 returns the content in UTF-8 without a byte order mark. Windows PowerShell 5.1 writes UTF-16 when its output
// is redirected to a file.
func toUTF8(content []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	}
	var units []uint16
	for pair := range slices.Chunk(content[2:], 2) {
		if len(pair) == 2 {
			units = append(units, order.Uint16(pair))
		}
	}
	return []byte(string(utf16.Decode(units)))
}

// userName returns the name of this process's user, or the number if there is no name.
func userName() string {
	current, err := user.Current()
	if err != nil {
		return strconv.Itoa(os.Getuid())
	}
	return current.Username
}

// checkTopLevel checks a top-level name of the file. A value that should be a table is left to the loader.
func (f *File) checkTopLevel(name string, node any) {
	tbl, isTable := node.(*ast.Table)
	if !isTable {
		tbl = &ast.Table{}
	}
	switch name {
	case "global_tags", "tags":
	case "agent":
		f.checkAgent(tbl)
	case "inputs", "plugins":
		for plugin, node := range tbl.Fields {
			f.checkInputs(plugin, node)
		}
	case "secretstores":
		for plugin, node := range tbl.Fields {
			f.checkStores(plugin, node)
		}
	case "outputs", "processors", "aggregators":
		for plugin, node := range tbl.Fields {
			f.addProblem(lineOf(node), "[[%s.%s]] belongs in Telegraf's own configuration, beside [[inputs.execd]]", name, plugin)
		}
	default:
		switch _, isInput := inputs.Inputs[name]; {
		case isInput && isTable:
			f.checkInputs(name, node) // the old form without "inputs.", which Telegraf still accepts
		case isInput:
			f.addProblem(lineOf(node), "unknown table %q: did you mean [[inputs.%s]]?", name, name)
		case len(tablesOf(node)) == 0 && slices.Contains(agentOptions, name) && !slices.Contains(optionNames(&inputOptions{}), name):
			f.addProblem(lineOf(node), "option %q is outside any table: move it below [agent]", name)
		case len(tablesOf(node)) == 0:
			f.addProblem(lineOf(node), "option %q is outside any table: move it below [agent] or an [[inputs.NAME]]", name)
		default:
			f.addProblem(lineOf(node), "unknown table %q%s", name, nearest(name, []string{"agent", "global_tags", "inputs", "secretstores"}))
		}
	}
}

func (f *File) checkAgent(tbl *ast.Table) {
	var ignored []string
	for key := range tbl.Fields {
		if !slices.Contains(agentOptions, key) && slices.Contains(optionNames(&config.AgentConfig{}), key) {
			ignored = append(ignored, key)
		}
	}
	if len(ignored) > 0 {
		slices.Sort(ignored)
		f.Warnings = append(f.Warnings, fmt.Sprintf("%s: these options have no effect in this [agent]; set them in Telegraf's own configuration: %s",
			f.At(tbl.Line), strings.Join(ignored, ", ")))
	}
	f.checkOptions("[agent]", tbl, &config.AgentConfig{})
	_, named := tbl.Fields["hostname"]
	_, omitted := tbl.Fields["omit_hostname"]
	f.WantsHostTag = named && !omitted
}

func (f *File) checkInputs(name string, node any) {
	create, known := inputs.Inputs[name]
	if !known {
		f.addProblem(lineOf(node), "unknown input plugin %q%s", name, nearest(name, slices.Sorted(maps.Keys(inputs.Inputs))))
		return
	}
	f.tables[name] = append(f.tables[name], tablesOf(node)...)
	for _, tbl := range tablesOf(node) {
		input := create()
		_, takesParser := input.(telegraf.ParserPlugin)
		_, takesParsers := input.(telegraf.ParserFuncPlugin)
		if !takesParser && !takesParsers { // otherwise the options depend on data_format, and are left to the loader
			f.checkOptions("[[inputs."+name+"]]", tbl, input, &inputOptions{})
		}
	}
}

func (f *File) checkStores(name string, node any) {
	create, known := secretstores.SecretStores[name]
	if !known {
		f.addProblem(lineOf(node), "unknown secret store %q%s", name, nearest(name, slices.Sorted(maps.Keys(secretstores.SecretStores))))
		return
	}
	for _, tbl := range tablesOf(node) {
		f.checkOptions("[[secretstores."+name+"]]", tbl, create(""), &storeOptions{})
	}
}

// checkOptions decodes the table option by option, to get the loader's error for each. One of the targets must know the
// option.
func (f *File) checkOptions(title string, tbl *ast.Table, targets ...any) {
	for key, node := range tbl.Fields {
		unknown := []string{key}
		for _, target := range targets {
			missing, err := decode(key, node, target)
			if err != nil && !substituted(node) {
				advice := ""
				if strings.Contains(err.Error(), " in duration ") {
					advice = `: write it as "90m", "12h" or "365d"`
				}
				f.addProblem(lineOf(node), "invalid %q in %s: %v%s", key, title, err, advice)
			}
			if !slices.Contains(missing, key) {
				unknown = missing
			}
		}
		if slices.Contains(unknown, key) && slices.Contains(agentOptions, key) {
			f.addProblem(lineOf(node), "unknown option %q in %s: it belongs in the table [agent]", key, title)
		} else if slices.Contains(unknown, key) {
			advice := nearest(key, optionNames(targets...))
			if owner := inputWith(key); advice == "" && owner != "" {
				advice = fmt.Sprintf(": it belongs in a table [[inputs.%s]]", owner)
			}
			f.addProblem(lineOf(node), "unknown option %q in %s%s", key, title, advice)
		} else if len(unknown) > 0 {
			f.addProblem(lineOf(node), "unknown option %q in %q of %s", slices.Min(unknown), key, title)
		}
	}
}

// inputWith returns an input that has the option, or "".
func inputWith(option string) string {
	for _, name := range slices.Sorted(maps.Keys(inputs.Inputs)) {
		if slices.Contains(optionNames(inputs.Inputs[name]()), option) {
			return name
		}
	}
	return ""
}

// decode sets one option of the target, and returns the keys that the target does not know.
func decode(key string, node, target any) (missing []string, err error) {
	decoder := toml.DefaultConfig
	decoder.MissingField = func(_ reflect.Type, key string) error {
		missing = append(missing, key)
		return nil
	}
	err = decoder.UnmarshalTable(&ast.Table{Fields: map[string]any{key: node}}, target)
	var lineErr *toml.LineError
	if errors.As(err, &lineErr) {
		err = lineErr.Err
	}
	return missing, err
}

// substituted reports whether a value uses environment variables. Only the loader sees the result.
func substituted(node any) (found bool) {
	walk(node, "", func(_ string, s *ast.String) { found = found || strings.Contains(s.Value, "$") })
	return found
}

// secretOption matches the names of options with secrets.
var secretOption = regexp.MustCompile(`(?i)token|passw|pwd|secret`)

// unset matches the marker of checkStrings for an environment variable that is not set.
var unset = regexp.MustCompile("\x00([^\x00]*)\x00")

// checkStrings reports environment variables that are not set, for which Telegraf would keep the text "${NAME}". It
// replaces variables with the same library as Telegraf. It also collects the values of secret options.
func (f *File) checkStrings(root *ast.Table) {
	lookup := func(name string) (string, bool) {
		if value, set := os.LookupEnv(name); set {
			return value, true
		}
		return "\x00" + name + "\x00", false
	}
	walk(root, "", func(key string, s *ast.String) {
		isSecret := secretOption.MatchString(key)
		if isSecret && !store.MatchString(s.Value) && !variable.MatchString(s.Value) {
			f.secrets.Add(s.Value)
		}
		result, err := template.SubstituteWithOptions(s.Value, lookup, template.WithoutLogging)
		var missing *template.MissingRequiredError
		if errors.As(err, &missing) {
			f.addProblem(f.lineOfString(s), "%s", strings.TrimSuffix("environment variable "+missing.Variable+" is not set: "+missing.Reason, ": "))
			return
		}
		for _, match := range unset.FindAllStringSubmatch(result, -1) {
			switch {
			case !strings.Contains(s.Value, "${"+match[1]+"}"): // a "$" with another meaning, or "${NAME:+…}"
			case isSecret && !variable.MatchString(s.Value): // the apparent name may be a part of the secret
				f.addProblem(f.lineOfString(s), "an environment variable in %q is not set: write $$ for a literal $", key)
			default:
				f.addProblem(f.lineOfString(s), "environment variable %s is not set", match[1])
			}
		}
	})
}

// lineOfString returns the line of a string. It is also exact within a list, for which the parser reports the last
// line.
func (f *File) lineOfString(s *ast.String) int {
	return 1 + strings.Count(string([]rune(string(f.Content))[:s.Position.Begin]), "\n")
}

// LoaderError returns an error of Telegraf's loader with the paths of the files and with advice, but without secrets.
// The text usually includes the line.
func LoaderError(err error, files ...*File) error {
	reason := err.Error()
	switch {
	case strings.HasPrefix(reason, "error parsing data: "): // the outer errors print values
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			reason = inner.Error()
		}
	case strings.HasPrefix(reason, "unknown secret store"):
		reason += ": put its [[secretstores.NAME]] in this file, because those in Telegraf's own configuration are not available"
	}
	if strings.Contains(reason, "is in conflict with") {
		reason += ": define each table and each option only once"
	}
	paths := make([]string, 0, len(files))
	for _, f := range files {
		reason = f.secrets.Redact(reason)
		paths = append(paths, f.Path)
	}
	return fmt.Errorf("%s: %s", strings.Join(paths, ", "), reason)
}

// optionNames returns the TOML keys of the structs.
func optionNames(targets ...any) (names []string) {
	for _, target := range targets {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(target).Elem()) {
			name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
			if name == "" {
				name = toml.DefaultConfig.FieldToKey(nil, field.Name)
			}
			if field.IsExported() && !field.Anonymous && name != "-" {
				names = append(names, name)
			}
		}
	}
	return names
}

// walk calls visit for every string in node, with the option that the string belongs to.
func walk(node any, key string, visit func(key string, s *ast.String)) {
	switch n := node.(type) {
	case *ast.Table:
		for _, field := range n.Fields {
			walk(field, key, visit)
		}
	case []*ast.Table:
		for _, tbl := range n {
			walk(tbl, key, visit)
		}
	case *ast.KeyValue:
		walk(n.Value, n.Key, visit)
	case *ast.Array:
		for _, v := range n.Value {
			walk(v, key, visit)
		}
	case *ast.String:
		visit(key, n)
	}
}

// tablesOf returns the tables behind a name: one for [x.name], several for [[x.name]], none for a plain value.
func tablesOf(node any) []*ast.Table {
	if tbl, ok := node.(*ast.Table); ok {
		return []*ast.Table{tbl}
	}
	tables, _ := node.([]*ast.Table)
	return tables
}

func lineOf(node any) int {
	if tables := tablesOf(node); len(tables) > 0 {
		return tables[0].Line
	}
	return node.(*ast.KeyValue).Line
}

// nearest returns a suggestion of the candidate closest to name, or "" if none is close.
func nearest(name string, candidates []string) string {
	const minPrefix = 4 // minimum length of a name that is completed
	best, least := "", 1+max(2, len(name)/3)
	for _, candidate := range candidates {
		if len(name) >= minPrefix && strings.HasPrefix(candidate, name) {
			best = candidate
			break
		}
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance returns how many letters must be changed, added or removed to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
