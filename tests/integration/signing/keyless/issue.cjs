// Fulcio, Rekor and a time-stamp authority on loopback, and Sigstore's own client that signs with them, over HTTP.
// With "serve" the services stay, until the standard input ends, and the first line of output says where they are.
// In: {"jobs": [{"payload": base64, "subject": URI, "issuer": URL, "witnesses": ["rekor", "tsa"]}]}
// Out: {"trustedRoot": {…}, "bundles": [{…}]}
const crypto = require("crypto");
const http = require("http");
const mock = require("@sigstore/mock");
const { DSSEBundleBuilder, FulcioSigner, RekorWitness, TSAWitness } = require("@sigstore/sign");
const { bundleToJSON } = require("@sigstore/bundle");

const pair = () => crypto.generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const der = (key) => key.export({ format: "der", type: "spki" });
const sha256 = (data) => crypto.createHash("sha256").update(data).digest();

// The mock logs what it was asked to log. Rekor itself logs the canonical form of a DSSE envelope: its hashes.
function canonical(entry) {
  if (entry.kind !== "dsse") return entry;
  const proposed = entry.spec.proposedContent;
  const envelope = JSON.parse(proposed.envelope);
  const pem = Buffer.from(proposed.verifiers[0], "base64").toString();
  const verifier = Buffer.from(new crypto.X509Certificate(pem).toString()).toString("base64");
  return {
    apiVersion: "0.0.1",
    kind: "dsse",
    spec: {
      envelopeHash: { algorithm: "sha256", value: sha256(proposed.envelope).toString("hex") },
      payloadHash: { algorithm: "sha256", value: sha256(Buffer.from(envelope.payload, "base64")).toString("hex") },
      signatures: [{ signature: envelope.signatures[0].sig, verifier }],
    },
  };
}

const logOf = (key, baseUrl, start) => ({
  baseUrl,
  hashAlgorithm: "SHA2_256",
  publicKey: {
    rawBytes: der(key).toString("base64"),
    keyDetails: "PKIX_ECDSA_P256_SHA_256",
    validFor: { start },
  },
  logId: { keyId: sha256(der(key)).toString("base64") },
});

const authorityOf = (name, uri, certificates, start) => ({
  subject: { organization: "example", commonName: name },
  uri,
  certChain: { certificates: certificates.map((item) => ({ rawBytes: item.toString("base64") })) },
  validFor: { start },
});

async function main() {
  const serves = process.argv[2] === "serve";
  const input = serves ? { jobs: [] } : JSON.parse(require("fs").readFileSync(0, "utf8"));
  const keys = { ca: pair(), ct: pair(), log: pair(), tsa: pair() };
  const ctLog = await mock.initializeCTLog(keys.ct);
  const ca = await mock.initializeCA(keys.ca, ctLog);
  const tsa = await mock.initializeTSA(keys.tsa);
  const routes = {};
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
      let body = Buffer.concat(parts).toString();
      // Sigstore's Python client sends the token in a header and a request in base64, as Fulcio has it too.
      const bearer = request.headers.authorization?.replace("Bearer ", "");
      if (bearer && body.includes("certificateSigningRequest")) {
        const pem = Buffer.from(JSON.parse(body).certificateSigningRequest, "base64").toString();
        body = JSON.stringify({ certificateSigningRequest: pem, credentials: { oidcIdentityToken: bearer } });
      }
      const answer = await (routes[request.url] ?? (() => ({ statusCode: 404, response: "" })))(body);
      response.writeHead(answer.statusCode, { "Content-Type": answer.contentType ?? "text/plain" });
      response.end(answer.response);
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}`;
  const log = await mock.initializeTLog(url, keys.log);
  const canonicalLog = { log: (entry) => log.log(canonical(entry)) };
  for (const handler of [mock.fulcioHandler(ca), mock.rekorHandler(canonicalLog), mock.tsaHandler(tsa)])
    routes[handler.path] = handler.fn;

  const token = (job) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    return `${part({ alg: "none" })}.${part({ sub: job.subject, iss: job.issuer, aud: "sigstore" })}.`;
  };
  const witnesses = {
    rekor: () => new RekorWitness({ rekorBaseURL: url, entryType: "dsse" }),
    tsa: () => new TSAWitness({ tsaBaseURL: url }),
  };
  const bundles = [];
  for (const job of input.jobs) {
    const identityProvider = { getToken: async () => token(job) };
    const signer = new FulcioSigner({ fulcioBaseURL: url, identityProvider });
    const builder = new DSSEBundleBuilder({ signer, witnesses: job.witnesses.map((name) => witnesses[name]()) });
    const data = Buffer.from(job.payload, "base64");
    bundles.push(bundleToJSON(await builder.create({ data, type: "application/vnd.in-toto+json" })));
  }
  const start = new Date(Date.now() - 3600_000).toISOString();
  const trustedRoot = {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [logOf(keys.log.publicKey, url, start)],
    ctlogs: [logOf(keys.ct.publicKey, url, start)],
    certificateAuthorities: [authorityOf("fulcio", url, [ca.rootCertificate], start)],
    timestampAuthorities: [authorityOf("tsa", url, [tsa.intCertificate, tsa.rootCertificate], start)],
  };
  process.stdout.write(JSON.stringify({ trustedRoot, bundles, url }) + "\n");
  if (serves) await new Promise((done) => process.stdin.on("end", done).resume());
  server.close();
  server.closeAllConnections();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
