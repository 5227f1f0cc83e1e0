//go:build integration

package destinations

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// broker is a real Apache Kafka with one node. Clients need TLS and a password with SCRAM.
type broker struct {
	t      *testing.T
	dir    string
	link   *link  // between clients and broker
	inside string // address without a password
	ca     string // file with the certificate
	server *testbed.Server
}

const (
	kafkaUser     = "telegraf"
	kafkaPassword = "invented-password"
)

// startBroker starts a broker in its own folder.
func startBroker(t *testing.T) *broker {
	t.Helper()
	if _, err := exec.LookPath("java"); err != nil {
		testbed.SkipWithout(t, "no Java, which Apache Kafka needs")
	}
	for _, folder := range []string{"kafka", "kafka-connect"} {
		if _, err := os.Stat(testbed.Root + "/bin/" + folder); err != nil {
			testbed.SkipWithout(t, "no Apache Kafka in bin, for want of Maven")
		}
	}
	dir := t.TempDir()
	b := &broker{t: t, dir: dir, link: startLink(t, freeAddress(t)), inside: freeAddress(t), ca: filepath.Join(dir, "ca.pem")}

	// The certificate of Go's own test server is for 127.0.0.1, and is its own CA.
	https := httptest.NewTLSServer(nil)
	https.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw})
	key, err := x509.MarshalPKCS8PrivateKey(https.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	keystore := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), certificate...)
	require.NoError(t, os.WriteFile(b.ca, certificate, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keystore.pem"), keystore, 0o600))

	controller := freeAddress(t)
	properties := fmt.Sprintf(`
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=%[1]s
listeners=CONTROLLER://%[1]s,BROKER://%[2]s,CLIENT://%[3]s
advertised.listeners=BROKER://%[2]s,CLIENT://%[4]s
listener.security.protocol.map=CONTROLLER:PLAINTEXT,BROKER:PLAINTEXT,CLIENT:SASL_SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listener.name.client.ssl.keystore.type=PEM
listener.name.client.ssl.keystore.location=%[5]s/keystore.pem
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=%[5]s/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=200
group.initial.rebalance.delay.ms=0
`, controller, b.inside, b.link.to, b.link.address, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "server.properties"), []byte(properties), 0o600))
	format := b.java("kafka", "kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAQ", "--config", "server.properties",
		"--add-scram", "SCRAM-SHA-512=[name="+kafkaUser+",password="+kafkaPassword+"]")
	output, err := format.CombinedOutput()
	require.NoError(t, err, "%s", output)
	b.start()

	b.create(topic)
	return b
}

// create creates a topic of six partitions.
func (b *broker) create(name string) {
	b.t.Helper()
	request := kmsg.NewCreateTopicsRequest()
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = name, 6, 1
	request.Topics = append(request.Topics, wanted)
	created, err := request.RequestWith(b.t.Context(), b.client())
	require.NoError(b.t, err)
	require.NoError(b.t, kerr.ErrorForCode(created.Topics[0].ErrorCode))
}

// freeAddress returns a loopback address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// java returns a command that runs a program from the jars in a folder of bin, with options for a fast start.
func (b *broker) java(folder, program string, args ...string) *exec.Cmd {
	b.t.Helper()
	jars := testbed.Root + "/bin/" + folder
	cmd := exec.Command("java", append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
		"-cp", filepath.Join(jars, "*"), program,
	}, args...)...)
	cmd.Dir = b.dir
	return cmd
}

var brokerStarted = regexp.MustCompile(`(Kafka Server started)`)

// start starts the broker, for the first time or again.
func (b *broker) start() {
	b.t.Helper()
	b.server = testbed.StartCommand(b.t, b.java("kafka", "kafka.Kafka", "server.properties"))
	b.server.AwaitLog(brokerStarted)
}

// env returns the environment that connects a recipe to the broker.
func (b *broker) env() []string {
	return []string{
		"KAFKA_BROKER=" + b.link.address, "KAFKA_CA=" + b.ca, "KAFKA_SASL=SCRAM-SHA-512", "KAFKA_USER=" + kafkaUser, "KAFKA_PASSWORD=" + kafkaPassword,
	}
}

// client returns a client for inspecting the broker.
func (b *broker) client(options ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.inside)}, options...)...)
	require.NoError(b.t, err)
	b.t.Cleanup(client.Close)
	return client
}

// size returns how many records the topic has.
func (b *broker) size(client *kgo.Client) (size int) {
	b.t.Helper()
	list := kmsg.NewListOffsetsRequest()
	wanted := kmsg.NewListOffsetsRequestTopic()
	wanted.Topic = topic
	for i := range int32(6) {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = i, -1 // the latest
		wanted.Partitions = append(wanted.Partitions, partition)
	}
	list.Topics = append(list.Topics, wanted)
	ctx, cancel := context.WithTimeout(b.t.Context(), testbed.Timeout)
	defer cancel()
	for _, shard := range client.RequestSharded(ctx, &list) {
		require.NoError(b.t, shard.Err)
		for _, partition := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
			require.NoError(b.t, kerr.ErrorForCode(partition.ErrorCode))
			size += int(partition.Offset)
		}
	}
	return size
}

// link forwards connections, and can drop everything from the broker. It waits for a broker that is down, as a load
// balancer may.
type link struct {
	address, to    string
	dropsResponses atomic.Bool  // drops everything from the broker
	lost           atomic.Int64 // number of bytes dropped
}

func startLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	l := &link{address: listener.Addr().String(), to: to}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go l.pass(near)
		}
	}()
	return l
}

// pass connects two ends until one of them closes.
func (l *link) pass(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", l.to)
	for deadline := time.Now().Add(testbed.Timeout); err != nil && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		far, err = net.Dial("tcp", l.to)
	}
	if err != nil {
		return
	}
	go func() {
		defer far.Close()
		_, _ = io.Copy(far, near)
	}()
	buffer := make([]byte, 64*1024)
	for {
		n, err := far.Read(buffer)
		if err != nil {
			return
		}
		if l.dropsResponses.Load() {
			l.lost.Add(int64(n))
			continue
		}
		if _, err := near.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// startGated is like StartWolkvox, but requests to the gated operation's server get no response until open is closed.
func startGated(t *testing.T, gated simulator.Operation, operations ...simulator.Operation) (w *testbed.Wolkvox, open chan struct{}) {
	t.Helper()
	w, open = testbed.StartWolkvox(t, append(operations, gated)...), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/wv"+gated.Server+"/") {
			select {
			case <-open:
			case <-r.Context().Done():
				return
			}
		}
		w.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	w.URL = server.URL + "/wv{server}"
	return w, open
}

// read returns all messages of the topic, as a new consumer gets them.
func (b *broker) read() (metrics []telegraf.Metric) {
	b.t.Helper()
	consumer := b.client(kgo.ConsumeTopics(topic))
	ctx, cancel := context.WithTimeout(b.t.Context(), testbed.Timeout)
	defer cancel()
	for size := b.size(consumer); len(metrics) < size; {
		fetches := consumer.PollFetches(ctx)
		require.NoError(b.t, fetches.Err())
		for _, record := range fetches.Records() {
			metrics = append(metrics, decode(b.t, "influx", record))
		}
	}
	return metrics
}

// TestApacheKafka: the broker crashes after writing history that it has not confirmed, and comes back, and Telegraf is
// restarted. A consumer still gets each final hour once. Meanwhile, a Telegraf with a wrong password logs that, and
// keeps running.
//
//promise:destinations
//promise:outages
//promise:append
func TestApacheKafka(t *testing.T) {
	t.Parallel()
	b, day := startBroker(t), simulator.Operation{Server: "0003", Token: "invented-token-3", PeakCalls: 1000, Timezone: testbed.Afternoon()}
	w, open := startGated(t, testbed.Far, day)
	start := time.Now()
	truth := final(w.MonthOf(t, testbed.Far, "far", start), w.Newest(t, testbed.Far, start))
	tg := testbed.NewRecipe(t, "kafka.conf", testbed.WithState+
		w.Table(day, `hours = "final"`, `backfill = "24h"`, testbed.ShortInterval)+
		w.Table(testbed.Far, `hours = "final"`, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`), b.env()...)
	stranger := testbed.NewRecipe(t, "kafka.conf", w.Table(day), append(b.env(), "KAFKA_PASSWORD=wrong")...)
	observer := b.client()
	stranger.Start()
	tg.Start()
	tg.Await("the first hours", func() bool { return b.size(observer) > 0 })
	b.link.dropsResponses.Store(true)
	close(open)
	tg.Await("a confirmation to get lost", func() bool { return b.link.lost.Load() > 0 })
	b.server.Kill()
	b.link.dropsResponses.Store(false)
	b.start()
	tg.Await("all hours", func() bool { return b.size(observer) > len(truth) && strings.Count(tg.Log(), testbed.HistoryDone) == 2 })
	tg.Stop()
	w.ResetLedger()
	tg.Start()
	tg.Await("both to be gathered again", func() bool { return len(w.RequestsWith(day.Token)) > 2 && len(w.RequestsWith(testbed.Far.Token)) > 2 })
	tg.Stop()

	metrics := b.read()
	times := make(map[string]int)
	for _, m := range metrics {
		times[fmt.Sprint(m.Tags(), m.Time())]++
	}
	for hour, n := range times {
		require.Equal(t, 1, n, hour)
	}
	from, to := testbed.Span(truth)
	metrics = slices.DeleteFunc(metrics, func(m telegraf.Metric) bool { return !m.HasTag("operation") })
	testutil.RequireMetricsEqual(t, truth, testbed.Between(metrics, from, to), testutil.SortMetrics())
	tg.RequireNoProblems("interval is shorter", "longer than expected")
	stranger.AwaitLog("SASL Authentication failed")
}

// TestKafkaConnect: a sink gets the hours as a map with kafka.conf, and with a schema with kafka_connect.conf.
//
//promise:destinations
func TestKafkaConnect(t *testing.T) {
	t.Parallel()
	b, o := startBroker(t), simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000, Timezone: testbed.Afternoon()}
	w, start := testbed.StartWolkvox(t, o), time.Now()
	from, to := testbed.FinalHours(t, o, start, 48*time.Hour)
	truth := w.TruthOf(t, o, from, to)
	require.Greater(t, len(truth), 24)
	sinks := map[string]struct{ topic, schemas string }{
		"kafka.conf":         {topic, "false"},
		"kafka_connect.conf": {topic + "_connect", "true"},
	}
	b.create(topic + "_connect")
	var agents []*testbed.Telegraf
	args := []string{"worker.properties"}
	worker := fmt.Sprintf(`
bootstrap.servers=%s
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.file.filename=%s/offsets
listeners=http://127.0.0.1:0
plugin.discovery=only_scan
`, b.inside, b.dir)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "worker.properties"), []byte(worker), 0o600))
	for recipe, sink := range sinks {
		properties := fmt.Sprintf(`
name=%[1]s
connector.class=org.apache.kafka.connect.file.FileStreamSinkConnector
topics=%[2]s
file=%[3]s/%[1]s.out
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=%[4]s
`, recipe, sink.topic, b.dir, sink.schemas)
		require.NoError(t, os.WriteFile(filepath.Join(b.dir, recipe+".properties"), []byte(properties), 0o600))
		args = append(args, recipe+".properties")
		tg := testbed.NewRecipe(t, recipe, w.Table(o, `backfill = "48h"`, `interval = "1s"`),
			append(b.env(), "KAFKA_FORMAT=json", "KAFKA_TOPIC="+sink.topic)...)
		tg.Start()
		agents = append(agents, tg)
	}
	connect := b.java("kafka-connect", "org.apache.kafka.connect.cli.ConnectStandalone", args...)
	connect.Env = append(os.Environ(), "TZ=UTC")
	testbed.StartCommand(t, connect)
	for recipe := range sinks {
		var metrics []telegraf.Metric
		testbed.Await(t, "all hours by "+recipe, func() bool {
			content, err := os.ReadFile(filepath.Join(b.dir, recipe+".out"))
			if err != nil {
				return false // not yet
			}
			metrics = testbed.Between(parseSunk(t, string(content)), from, to)
			return len(metrics) >= len(truth)
		})
		testutil.RequireMetricsEqual(t, truth, metrics, testutil.SortMetrics())
	}
	for _, tg := range agents {
		tg.RequireNoProblems("interval is shorter", "longer than expected")
	}
}

// Records as the sink writes them: as a map and with a schema
var (
	sunkMap    = regexp.MustCompile(`^\{name=(wolkvox_ivr), fields=\{calls=(\d+), minutes=(\S+)\}, tags=\{hour=(\d\d), source=(\S+)\}, timestamp=(\d+)\}$`)
	sunkStruct = regexp.MustCompile(`^Struct\{time=(.*),source=(\S+),hour=(\d\d),calls=(\d+),minutes=(\S+)\}$`)
)

// parseSunk parses the complete lines that the sink has written.
func parseSunk(t *testing.T, content string) (metrics []telegraf.Metric) {
	t.Helper()
	for line := range strings.Lines(content) {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			continue
		}
		var at time.Time
		var source, hour, calls, minutes string
		if match := sunkStruct.FindStringSubmatch(line); match != nil {
			parsed, err := time.Parse(time.UnixDate, match[1])
			require.NoError(t, err)
			at, source, hour, calls, minutes = parsed, match[2], match[3], match[4], match[5]
		} else {
			match := sunkMap.FindStringSubmatch(line)
			require.NotNil(t, match, line)
			seconds, err := strconv.ParseInt(match[6], 10, 64)
			require.NoError(t, err)
			at, source, hour, calls, minutes = time.Unix(seconds, 0), match[5], match[4], match[2], match[3]
		}
		metrics = append(metrics, metric.New("wolkvox_ivr", map[string]string{"source": source, "hour": hour}, map[string]any{
			"calls": testbed.Number(t, json.Number(calls), true), "minutes": testbed.Number(t, json.Number(minutes), false),
		}, at))
	}
	return metrics
}
