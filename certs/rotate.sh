#!/bin/sh
# Rotates the webhook's own certificate now, and waits until the old authority is no longer trusted.
# usage: rotate.sh [NAMESPACE [SECRET]]
set -eu
namespace=${1:-pequod-system}
secret=${2:-pequod-webhook-tls}
kubectl annotate --overwrite secret -n "$namespace" "$secret" policy.pequod.io/rotate=now
echo "waiting for the new certificate; this takes about ten minutes" >&2
kubectl wait --timeout=60s -n "$namespace" "secret/$secret" \
	--for='jsonpath={.metadata.annotations.policy\.pequod\.io/rotation}'
while [ -n "$(kubectl get secret -n "$namespace" "$secret" \
	-o 'jsonpath={.metadata.annotations.policy\.pequod\.io/rotation}')" ]; do
	sleep 10
done
echo "done" >&2
