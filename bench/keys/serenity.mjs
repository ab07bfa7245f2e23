// The server's side of OPAQUE by @serenity-kit/opaque, as many as fit into a time:
//
//   node serenity.mjs FOLDER login|registration|server-login|server-registration MILLISECONDS
//
// FOLDER has node_modules. With "server-" it is the smallest key server that there can be: users and
// logins under way are in a Map each, and there is no network and no disk. What the client does
// between the two halves of a login is not counted. Processor time is the whole process's, with the
// threads that node has of its own.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/");
const opaque = require("@serenity-kit/opaque");
await opaque.ready;
const { client, server } = opaque;

const mode = process.argv[3].replace("server-", "");
const stores = process.argv[3].startsWith("server-");
const milliseconds = Number(process.argv[4]);
const BATCH = 50;
const ACCOUNTS = 50;
const keyStretching = { "argon2id-custom": { memory: 8, iterations: 1, parallelism: 1 } };
const password = "correct horse battery staple";
const serverSetup = server.createSetup();

function processor() {
  const { user, system } = process.cpuUsage();
  return user + system; // microseconds
}

// Microseconds that work took.
function timed(work) {
  const began = processor();
  work();
  return processor() - began;
}

const accounts = [];
for (let n = 0; n < ACCOUNTS; n++) {
  const userIdentifier = `user${n}@example.org`;
  const start = client.startRegistration({ password });
  const { registrationResponse } = server.createRegistrationResponse({
    serverSetup, userIdentifier, registrationRequest: start.registrationRequest });
  const { registrationRecord } = client.finishRegistration({
    password, registrationResponse, keyStretching,
    clientRegistrationState: start.clientRegistrationState });
  accounts.push({ userIdentifier, registrationRecord,
    registrationRequest: start.registrationRequest });
}
const users = new Map(accounts.map((a) => [a.userIdentifier, a.registrationRecord]));

function logins(first) {
  const underWay = new Map();
  const states = [];
  const asked = [];
  const answers = [];
  const proofs = [];
  for (let i = 0; i < BATCH; i++) asked.push(client.startLogin({ password }));
  const start = timed(() => {
    for (let i = 0; i < BATCH; i++) {
      const { userIdentifier, registrationRecord } = accounts[(first + i) % ACCOUNTS];
      const { serverLoginState, loginResponse } = server.startLogin({
        serverSetup, userIdentifier, startLoginRequest: asked[i].startLoginRequest,
        registrationRecord: stores ? users.get(userIdentifier) : registrationRecord });
      if (stores) underWay.set(i, serverLoginState);
      else states.push(serverLoginState);
      answers.push(loginResponse);
    }
  });
  for (let i = 0; i < BATCH; i++) {
    proofs.push(client.finishLogin({
      password, keyStretching, clientLoginState: asked[i].clientLoginState,
      loginResponse: answers[i] }));
  }
  const keys = [];
  const finish = timed(() => {
    for (let i = 0; i < BATCH; i++) {
      const serverLoginState = stores ? underWay.get(i) : states[i];
      if (stores) underWay.delete(i);
      keys.push(server.finishLogin({
        finishLoginRequest: proofs[i].finishLoginRequest, serverLoginState }).sessionKey);
    }
  });
  if (keys.some((key, i) => key !== proofs[i].sessionKey)) throw new Error("session keys differ");
  return start + finish;
}

function registrations(first) {
  return timed(() => {
    for (let i = 0; i < BATCH; i++) {
      const { userIdentifier, registrationRequest, registrationRecord } =
        accounts[(first + i) % ACCOUNTS];
      server.createRegistrationResponse({ serverSetup, userIdentifier, registrationRequest });
      if (stores) users.set(userIdentifier, registrationRecord);
    }
  });
}

// A registration at a key server is followed by a login, which proves it.
function registrationsAndLogins(first) {
  return registrations(first) + logins(first);
}

const register = stores ? registrationsAndLogins : registrations;
const once = mode === "login" ? logins : register;
for (let n = 0; n < 4; n++) once(n * BATCH); // so that it is compiled
let count = 0;
let spent = 0;
while (spent < milliseconds * 1000) {
  spent += once(count);
  count += BATCH;
}
console.log(JSON.stringify({ ok: true, count, cpu_ns: spent * 1000 }));
