// The AWS SDK for JavaScript against `kiln sts`. argv[2]: folder with node_modules; standard input:
// a JSON object of what to ask for; standard output: what each question gave, by its name.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const sts = require("@aws-sdk/client-sts");
const providers = require("@aws-sdk/credential-providers");
const asked = JSON.parse(readFileSync(0, "utf8"));

// The endpoint comes from AWS_ENDPOINT_URL_STS, as for any program.
const client = (credentials) =>
  new sts.STSClient({ region: asked.region, credentials, maxAttempts: 1 });

async function whoami(credentials) {
  const answer = await client(credentials).send(new sts.GetCallerIdentityCommand({}));
  return { Arn: answer.Arn, Account: answer.Account, UserId: answer.UserId };
}

const keys = (identity) => ({
  accessKeyId: identity.access_key_id,
  secretAccessKey: identity.secret_access_key,
  sessionToken: identity.session_token,
});

async function assume(command, input, credentials) {
  const answer = await client(credentials).send(new command(input));
  const c = answer.Credentials;
  return {
    assumed: answer.AssumedRoleUser.Arn,
    seconds: (c.Expiration.getTime() - Date.now()) / 1000,
    who: await whoami({
      accessKeyId: c.AccessKeyId,
      secretAccessKey: c.SecretAccessKey,
      sessionToken: c.SessionToken,
    }),
  };
}

const questions = {
  identity: () => whoami(keys(asked.identity)),
  wrong_secret: () => whoami({ ...keys(asked.identity), secretAccessKey: "x".repeat(40) }),
  wrong_token: () => whoami({ ...keys(asked.identity), sessionToken: "other" }),
  assume_role: () => assume(sts.AssumeRoleCommand, asked.assume, keys(asked.identity)),
  assume_nobody: () => assume(sts.AssumeRoleCommand,
    { ...asked.assume, RoleArn: asked.assume.RoleArn + "Nobody" }, keys(asked.identity)),
  assume_web: () => assume(sts.AssumeRoleWithWebIdentityCommand, asked.web,
    async () => { throw new Error("this call is not signed"); }),
  from_env: () => whoami(providers.fromEnv()),
  from_ini: () => whoami(providers.fromIni({ profile: asked.profile })),
  from_token_file: () => whoami(providers.fromTokenFile(
    { clientConfig: { region: asked.region } })),
  from_temporary: () => whoami(providers.fromTemporaryCredentials({
    masterCredentials: keys(asked.identity), params: asked.assume,
    clientConfig: { region: asked.region } })),
  from_container: () => whoami(providers.fromContainerMetadata({ maxRetries: 0 })),
  from_http: () => whoami(providers.fromHttp({ maxRetries: 0 })),
  from_instance: () => whoami(providers.fromInstanceMetadata({ maxRetries: 0 })),
  chain: () => whoami(providers.fromNodeProviderChain({
    maxRetries: 0, clientConfig: { region: asked.region } })),
};

const results = {};
for (const name of asked.questions) {
  try {
    results[name] = await questions[name]();
  } catch (error) {
    results[name] = { error: error.name, message: error.message,
      status: error.$metadata?.httpStatusCode };
  }
}
console.log(JSON.stringify(results));
