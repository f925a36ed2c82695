#!/usr/bin/env bash
# Pack a model, scan and sign it, verify the signature, and promote exactly the digest that was verified.
# Run it again with the same files, and nothing is added anywhere but, with SCAN, a newer report.
#
# Needed:    MODEL_DIR           directory with a Kitfile
#            REFERENCE           registry/repository:tag to push to
#            STAGE               stage of the promotion policy
#            KEY                 keyless:FILE where the job has an identity, or the name of a key in a service; otherwise:
#            SIGNING_KEY         private key (the PEM text itself), as kitctl keygen makes it
#            COSIGN_PASSWORD     its password
# Optional:  POLICY, TRUST       promotion and trust policy; promotion.yaml and trust.yaml otherwise
#            DESTINATION         repository[:tag] of the stage; the policy's otherwise
#            SCAN                yes: attach a report of what was looked for in the files; it is dated
#            REGISTRY_USERNAME, REGISTRY_PASSWORD   without them, the credentials that this machine has are used
#            RESULT_FILE         gets the lines reference=... and digest=... of what the stage has now
set -euo pipefail

: "${MODEL_DIR:?}" "${REFERENCE:?}" "${STAGE:?}"
if [ -z "${KEY:-}" ]; then
  : "${SIGNING_KEY:?}" "${COSIGN_PASSWORD:?}"
  export SIGNING_KEY COSIGN_PASSWORD # they go by the environment: a command line is there for all to see
  KEY=env://SIGNING_KEY
fi
policy=${POLICY:-promotion.yaml}
trust=${TRUST:-trust.yaml}

if [ -n "${REGISTRY_USERNAME:-}" ]; then
  # Credentials of this job alone: no other job on the machine sees them, and none is left behind.
  DOCKER_CONFIG=$(mktemp -d)
  export DOCKER_CONFIG
  trap 'rm -rf "$DOCKER_CONFIG"' EXIT
  printf '%s' "${REGISTRY_PASSWORD:?}" |
    kitctl login "${REFERENCE%%/*}" --username "$REGISTRY_USERNAME" --password-stdin
fi

# The first member of that name is the ModelKit's own; what follows is about its layers.
member() { sed -n "s/^  \"$1\": \"\(.*\)\",\{0,1\}$/\1/p"; }

packed=$(kitctl pack "$MODEL_DIR" --tag "$REFERENCE" --push --json)
pinned=$(member reference <<<"$packed") # with the digest: from here on nobody can move the tag under our feet
echo "packed    ${pinned:?kitctl pack named no reference}"

if [ "${SCAN:-}" = yes ]; then
  kitctl scan "$pinned" --attest --key "$KEY"
fi
kitctl sign "$pinned" --key "$KEY"
kitctl verify "$pinned" --trust "$trust"

promoted=$(kitctl promote "$pinned" --stage "$STAGE" --policy "$policy" --trust "$trust" --key "$KEY" \
  ${DESTINATION:+--to "$DESTINATION"} --json)
reference=$(member reference <<<"$promoted")
digest=$(member digest <<<"$promoted")
echo "promoted  ${reference:?kitctl promote named no reference}"
if [ -n "${RESULT_FILE:-}" ]; then
  printf 'reference=%s\ndigest=%s\n' "$reference" "$digest" >>"$RESULT_FILE"
fi
