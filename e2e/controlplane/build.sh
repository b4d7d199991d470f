#!/bin/sh
# Builds the control plane into .cache/controlplane/ at the root of the
# repository: one binary and a link for each part it plays, laid out the way
# KUBEBUILDER_ASSETS expects. Does nothing when the binary is newer than its
# sources. The first build takes minutes, and needs Go and a module proxy.
set -eu
cd "$(dirname "$0")"
out=$(cd ../.. && pwd)/.cache/controlplane
binary=$out/controlplane

# The version the servers report is the one go.mod requires: v1.36.3 has major 1, minor 36.
version=$(sed -n 's/^[[:space:]]*k8s\.io\/kubernetes \(v[^ ]*\)$/\1/p' go.mod)
major=${version#v} major=${major%%.*}
minor=${version#v*.} minor=${minor%%.*}

mkdir -p "$out"
if [ -z "$(find main.go go.mod go.sum build.sh -newer "$binary" 2>/dev/null || echo missing)" ]; then
	exit 0
fi
at=k8s.io/component-base/version
go build -trimpath -o "$binary.new" -ldflags \
	"-s -w -X $at.gitVersion=$version -X $at.gitMajor=$major -X $at.gitMinor=$minor -X $at.gitTreeState=clean" .
for part in etcd kube-apiserver kube-controller-manager kubectl; do
	ln -sf controlplane "$out/$part"
done
mv "$binary.new" "$binary"
