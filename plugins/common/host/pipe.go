package host

import (
	"os"
	"time"
)

const (
	drainTime = 200 * time.Millisecond // for Telegraf to read what has been written
	leaveTime = 100 * time.Millisecond // for Telegraf to see the end of stdout and stderr
)

// CloseOutput waits until Telegraf has read everything, and closes stdout and stderr. Call it just before the process
// exits: if it exited while Telegraf was still reading, the last lines could be lost, and execd would log errors about
// its pipes.
func CloseOutput() {
	drain()
	os.Stdout.Close()
	os.Stderr.Close()
	time.Sleep(leaveTime)
}

// drain waits until Telegraf has read the pipes, because execd stops reading as soon as the process is gone. It gives
// up after drainTime, and reports whether all rows are known to have been read.
func drain() bool {
	for end := time.Now().Add(drainTime); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if canInspectPipes && unread(os.Stdout)+unread(os.Stderr) == 0 {
			return true
		}
	}
	return canInspectPipes && unread(os.Stdout) == 0
}
