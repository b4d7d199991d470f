// Command controlplane is etcd, kube-apiserver, kube-controller-manager and
// kubectl in one binary, so that a machine with only a Go toolchain can test
// against a real control plane. It plays the part its own file name says
// (links made by build.sh), or else the part its first argument says.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

var roles = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          func() int { return run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return run(controllers.NewControllerManagerCommand()) },
	"kubectl":                 func() int { return run(cmd.NewDefaultKubectlCommand()) },
}

func main() {
	role, named := roles[filepath.Base(os.Args[0])]
	if !named && len(os.Args) > 1 {
		role, named = roles[os.Args[1]]
		os.Args = os.Args[1:]
	}
	if !named {
		fmt.Fprintln(os.Stderr, "usage: controlplane etcd|kube-apiserver|kube-controller-manager|kubectl [flags]")
		os.Exit(2)
	}
	os.Exit(role())
}

func run(command *cobra.Command) int { return cli.Run(command) }

// etcd serves one member on loopback. Its flags are those of the etcd command
// that the lab uses, so that a packaged etcd can take its place.
func etcd() int {
	flags := flag.NewFlagSet("etcd", flag.ExitOnError)
	dataDir := flags.String("data-dir", "", "where the member keeps its data")
	clients := flags.String("listen-client-urls", "http://127.0.0.1:2379", "URL to serve clients on")
	advertised := flags.String("advertise-client-urls", "", "URL told to clients")
	peers := flags.String("listen-peer-urls", "http://127.0.0.1:2380", "URL to serve peers on")
	noFsync := flags.Bool("unsafe-no-fsync", false, "do not wait for the disk")
	level := flags.String("log-level", "info", "debug, info, warn, error, panic or fatal")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	if err := serve(*dataDir, *clients, *advertised, *peers, *level, *noFsync); err != nil {
		log.Print(err)
		return 1
	}
	return 0
}

func serve(dataDir, clients, advertised, peers, level string, noFsync bool) error {
	clientURL, err := url.Parse(clients)
	if err != nil {
		return err
	}
	peerURL, err := url.Parse(peers)
	if err != nil {
		return err
	}
	advertisedURL := *clientURL
	if advertised != "" {
		parsed, err := url.Parse(advertised)
		if err != nil {
			return err
		}
		advertisedURL = *parsed
	}
	config := embed.NewConfig()
	config.Dir = dataDir
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*clientURL}, []url.URL{advertisedURL}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peerURL}, []url.URL{*peerURL}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = noFsync
	config.LogLevel = level
	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	select {
	case err := <-server.Err():
		return err
	case <-server.Server.StopNotify():
		return errors.New("etcd stopped by itself")
	case <-stop:
		return nil
	}
}
