// franz-go asks for what the broker does not serve: franz BOOTSTRAP. Each must fail by itself, and soon.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

const patience = 20 * time.Second

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(os.Args[1]), kgo.RequestRetries(2)}, options...)...)
	if err != nil {
		panic(err)
	}
	return made
}

func main() {
	plainClient := client()
	admin := kadm.NewClient(plainClient)
	defer plainClient.Close()
	failed := 0
	feature := func(name string, ask func(context.Context) error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		begun := time.Now()
		err := ask(ctx)
		took := time.Since(begun)
		good := err != nil && !errors.Is(err, context.DeadlineExceeded) && took < patience/2
		word, text := "ok  ", "nothing was refused"
		if !good {
			word, failed = "FAIL", failed+1
		}
		if err != nil {
			text = strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Printf("%s franz-go: %s (%.1f s): %s\n", word, name, took.Seconds(), text)
	}
	feature("transactions", func(ctx context.Context) error {
		producer := client(kgo.TransactionalID("pay"), kgo.DefaultProduceTopic("none"))
		defer producer.Close()
		if err := producer.BeginTransaction(); err != nil {
			return err
		}
		return producer.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr()
	})
	feature("ACLs: describe", func(ctx context.Context) error {
		described, err := admin.DescribeACLs(ctx, kadm.NewACLs().AnyResource().Allow().AllowHosts().Deny().DenyHosts().Operations().ResourcePatternType(kadm.ACLPatternAny))
		if err == nil && len(described) > 0 {
			err = described[0].Err
		}
		return err
	})
	feature("SASL on a plaintext listener", func(ctx context.Context) error {
		login := client(kgo.SASL(plain.Auth{User: "ann", Pass: "secret"}.AsMechanism()))
		defer login.Close()
		return login.Ping(ctx)
	})
	feature("TLS on a plaintext listener", func(ctx context.Context) error {
		secure := client(kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true}))
		defer secure.Close()
		return secure.Ping(ctx)
	})
	feature("three replicas", func(ctx context.Context) error {
		_, err := admin.CreateTopic(ctx, 1, 3, nil, fmt.Sprintf("refusals-%d", time.Now().UnixNano()))
		return err
	})
	feature("quotas", func(ctx context.Context) error {
		_, err := admin.DescribeClientQuotas(ctx, false, nil)
		return err
	})
	feature("transactions: list", func(ctx context.Context) error {
		_, err := admin.ListTransactions(ctx, nil, nil)
		return err
	})
	if failed > 0 {
		os.Exit(1)
	}
}
