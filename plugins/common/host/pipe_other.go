//go:build !linux || portable

package host

import "os"

// Other systems do not tell, so no stop is known to be in order there. The tag portable makes Linux one of them, for tests.
const pipesTell = false

func unread(*os.File) int { return 0 }

func hasReader(*os.File) bool { return true }
