package testbed

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reference is the target of a link: a file, a heading in it, or a heading of the page itself.
type reference struct{ File, Anchor string }

var mdLink = regexp.MustCompile(`(?m)(?:\]\(|^\[[^]]+\]: |\b(?:src|srcset)=")([^):#\s"]*)(?:#([^)\s"]*))?(?:\)|"|$)`)

// LinksOf returns the links of a page, except those to the web.
func LinksOf(page string) (links []reference) {
	for _, match := range mdLink.FindAllStringSubmatch(Prose(page), -1) {
		links = append(links, reference{match[1], match[2]})
	}
	return links
}

// CodeOf returns the only code block of a page in the language.
func CodeOf(t *testing.T, page, language string) string {
	t.Helper()
	var code []string
	for _, match := range CodeBlock.FindAllStringSubmatch(ReadSource(t, page), -1) {
		if match[1] == language {
			code = append(code, match[2])
		}
	}
	require.Len(t, code, 1, language)
	return code[0]
}

var codeSpan = regexp.MustCompile("`[^`\n]+`")

// CodeBlock matches a code block: its language and its content.
var CodeBlock = regexp.MustCompile("(?ms) *```(\\w+)\n(.*?)\n *```$")

// comment matches a comment in a command or configuration, which a translation may change.
var comment = regexp.MustCompile(`(?m) *# .*$`)

// CodeBlocks returns the code blocks without their comments.
func CodeBlocks(readme string) (blocks []string) {
	for _, match := range CodeBlock.FindAllStringSubmatch(readme, -1) {
		blocks = append(blocks, match[1]+"\n"+comment.ReplaceAllString(match[2], ""))
	}
	return blocks
}

// CodeText returns the text of a README's code blocks and spans.
func CodeText(readme string) string {
	spans := codeSpan.FindAllString(readme, -1)
	return strings.Join(append(CodeBlocks(readme), spans...), "\n")
}

// Prose returns a page without code blocks and spans.
func Prose(page string) string {
	return codeSpan.ReplaceAllString(CodeBlock.ReplaceAllString(page, ""), "")
}

// NewcomersPage is the guide that takes a newcomer from a clean system to rows in ten minutes.
const NewcomersPage = ProgramDir + "packaging/DEBIAN.md"

// CommandsOf returns the commands of a page in order.
func CommandsOf(t *testing.T, page string) (commands []string) {
	t.Helper()
	for _, block := range CodeBlocks(ReadSource(t, page)) {
		if script, isShell := strings.CutPrefix(block, "sh\n"); isShell {
			for command := range strings.Lines(script) {
				commands = append(commands, strings.TrimSpace(command))
			}
		}
	}
	require.NotEmpty(t, commands)
	return commands
}

// OldestTelegraf returns the version of Telegraf that .ci/build builds as telegraf-oldest, without the "v".
func OldestTelegraf(t *testing.T) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^\toldest=v(1\.\d+\.0)$`).FindStringSubmatch(ReadSource(t, ".ci/build"))
	require.NotNil(t, match)
	return match[1]
}
