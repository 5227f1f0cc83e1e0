package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	PEM         []byte
}

// validFrom is the start of the certificates' validity.
var validFrom = time.Date(2024, 11, 18, 0, 0, 0, 0, time.UTC)

// NewAuthority returns an authority that nothing trusts yet.
func NewAuthority(t *testing.T) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Invented CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: validFrom, NotAfter: validFrom.AddDate(52, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return &Authority{template, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// ServerConfig returns the TLS configuration of a server with a certificate for the name, valid or expired by the
// machine's clock, which TLS uses. The dates are fixed because --check prints them.
func (a *Authority) ServerConfig(t *testing.T, isValid bool, name string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	until := time.Date(2076, 11, 18, 0, 0, 0, 0, time.UTC)
	if !isValid {
		until = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: validFrom, NotAfter: until}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
