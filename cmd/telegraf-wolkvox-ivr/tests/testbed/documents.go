package testbed

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reference is what a page refers to: a file, a heading of it, or one of its own.
type reference struct{ File, Anchor string }

var mdLink = regexp.MustCompile(`(?m)(?:\]\(|^\[[^]]+\]: |\b(?:src|srcset)=")([^):#\s"]*)(?:#([^)\s"]*))?(?:\)|"|$)`)

// LinksOf returns what a page refers to beside the web.
func LinksOf(page string) (links []reference) {
	for _, match := range mdLink.FindAllStringSubmatch(Prose(page), -1) {
		links = append(links, reference{match[1], match[2]})
	}
	return links
}

// CodeOf returns a page's only block of code in the language.
func CodeOf(t *testing.T, page, language string) string {
	t.Helper()
	var code []string
	for _, match := range CodeBlock.FindAllStringSubmatch(ReadDoc(t, page), -1) {
		if match[1] == language {
			code = append(code, match[2])
		}
	}
	require.Len(t, code, 1, language)
	return code[0]
}

var codeSpan = regexp.MustCompile("`[^`\n]+`")

// CodeBlock matches a block of code: its language, and what it has.
var CodeBlock = regexp.MustCompile("(?ms) *```(\\w+)\n(.*?)\n *```$")

// comment is what a translation may change of a command or configuration.
var comment = regexp.MustCompile(`(?m) *# .*$`)

// CodeBlocks returns the blocks of code, without comments.
func CodeBlocks(readme string) (blocks []string) {
	for _, match := range CodeBlock.FindAllStringSubmatch(readme, -1) {
		blocks = append(blocks, match[1]+"\n"+comment.ReplaceAllString(match[2], ""))
	}
	return blocks
}

// CodeText is what a README has in code blocks and spans.
func CodeText(readme string) string {
	spans := codeSpan.FindAllString(readme, -1)
	return strings.Join(append(CodeBlocks(readme), spans...), "\n")
}

// Prose returns a page without code blocks and spans.
func Prose(page string) string {
	return codeSpan.ReplaceAllString(CodeBlock.ReplaceAllString(page, ""), "")
}

// NewcomersPage goes from nothing to rows within ten minutes.
const NewcomersPage = Ours + "packaging/DEBIAN.md"

// CommandsOf returns the commands of a page in their order.
func CommandsOf(t *testing.T, page string) (commands []string) {
	t.Helper()
	for _, block := range CodeBlocks(ReadDoc(t, page)) {
		if script, isShell := strings.CutPrefix(block, "sh\n"); isShell {
			for command := range strings.Lines(script) {
				commands = append(commands, strings.TrimSpace(command))
			}
		}
	}
	require.NotEmpty(t, commands)
	return commands
}

// OldestTelegraf returns the version that .ci/build builds, less the "v".
func OldestTelegraf(t *testing.T) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^\toldest=v(1\.\d+\.0)$`).FindStringSubmatch(ReadDoc(t, ".ci/build"))
	require.NotNil(t, match)
	return match[1]
}
