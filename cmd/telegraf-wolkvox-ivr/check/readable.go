package check

import (
	"net/url"
	"os"
	"runtime"

	"telegraf-wolkvox-ivr/plugins/common/host"
)

// exposedFiles returns the configuration files that contain a secret and that every user of this machine can read.
func exposedFiles(conf *host.Inspection) (files []string) {
	for _, file := range conf.Files {
		hasSecret := false
		for _, input := range conf.Inputs {
			hasSecret = hasSecret || input.File() == file && holdsSecret(input)
		}
		if hasSecret && isReadableByAll(file) {
			files = append(files, file)
		}
	}
	return files
}

// holdsSecret reports whether a secret of the table is in its file.
func holdsSecret(input *host.InspectedInput) bool {
	plugin, isOperation := operationOf(input)
	if !isOperation {
		return false
	}
	proxy, err := url.Parse(plugin.HTTPProxyURL)
	return !plugin.Token.Empty() && input.Origin("token").InFile ||
		plugin.HTTPProxyURL != "" && (err != nil || proxy.User != nil) && input.Origin("http_proxy_url").InFile
}

// isReadableByAll reports whether the file's mode lets every user read it. On Windows it is always false.
func isReadableByAll(path string) bool {
	const readByOthers = 0o004
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode()&readByOthers != 0
}
