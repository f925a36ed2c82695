// Reads {"publicKey": PEM, "bundle": {...}} from standard input and says what npm's sigstore makes of it.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

const { publicKey, bundle } = JSON.parse(readFileSync(0, "utf8"));
const noRoots = { certificateAuthorities: [], ctlogs: [], tlogs: [], timestampAuthorities: [] };
const findKey = () => ({ publicKey: createPublicKey(publicKey), validFor: () => true });
const verifier = new Verifier(toTrustMaterial(noRoots, findKey), {
  tlogThreshold: 0,
  ctlogThreshold: 0,
  timestampThreshold: 0,
});

try {
  verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
  console.log(JSON.stringify({ verified: true }));
} catch (error) {
  console.log(JSON.stringify({ verified: false, error: `${error.name}: ${error.message}` }));
}
