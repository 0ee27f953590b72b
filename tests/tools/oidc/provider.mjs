// Pro Santé Connect as tests need it: the same claims and endpoints, on a loopback port of its own.
//
// Arguments: one JSON object with `redirect` (addresses to come back to), `after_logout`, `secret`.
// Prints its issuer once it listens. `POST /telephone/confirm` and `/telephone/refuse` are the e-CPS app.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const task = JSON.parse(process.argv[2]);
const people = {
  899700218896: {
    SubjectNameID: '899700218896',
    given_name: 'ROBERT',
    family_name: 'SPECIALISTE0021889',
    otherIds: [{ identifiant: '899700218896', origine: 'RPPS', qualite: 1 }],
    SubjectRole: ['10^1.2.250.1.213.1.1.5.5'],
    authMode: 'CARD',
  },
};
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };

const server = createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;
const rung = [];

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'sealpost',
    client_secret: task.secret,
    redirect_uris: task.redirect,
    post_logout_redirect_uris: task.after_logout,
    response_types: ['code'],
    grant_types: ['authorization_code', 'urn:openid:params:grant-type:ciba'],
    backchannel_token_delivery_mode: 'poll',
  }],
  jwks: { keys: [key] },
  scopes: ['openid', 'scope_all'],
  claims: {
    openid: ['sub'],
    scope_all: ['SubjectNameID', 'given_name', 'family_name', 'otherIds', 'SubjectRole', 'authMode'],
    acr: null,
    auth_time: null,
  },
  acrValues: ['eidas1'],
  cookies: { keys: ['only for tests'] },
  pkce: { required: () => true, methods: ['S256'] },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: true },
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: (_, hint) => hint,
      validateBindingMessage: () => {},
      validateRequestContext: () => {},
      verifyUserCode: () => {},
      triggerAuthenticationDevice: (ctx, request, account, client) => {
        rung.push({ request, account, client, binding: ctx.oidc.params.binding_message });
      },
    },
  },
  ttl: { BackchannelAuthenticationRequest: 120, Grant: 600, Interaction: 600, Session: 600 },
});

const page = (response, body) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(`<!doctype html><html lang="fr"><title>e-CPS</title><body>${body}</body></html>`);
};

async function grant(accountId) {
  const made = new provider.Grant({ clientId: 'sealpost', accountId });
  made.addOIDCScope('openid scope_all');
  return made.save();
}

async function interaction(request, response) {
  const answer = new URL(request.url, issuer).searchParams.get('answer');
  if (request.method === 'GET') {
    page(response, `<h1>e-CPS</h1>
      <form method="post" action="?answer=yes"><button id="yes">Confirmer</button></form>
      <form method="post" action="?answer=no"><button id="no">Refuser</button></form>`);
    return;
  }
  const person = '899700218896';
  const result = answer === 'yes'
    ? { login: { accountId: person, acr: 'eidas1', amr: ['pop'] }, consent: { grantId: await grant(person) } }
    : { error: 'access_denied' };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function telephone(request, response) {
  const last = rung.pop();
  if (!last) {
    response.statusCode = 409;
    response.end('nobody rang');
    return;
  }
  if (request.url.endsWith('/refuse')) {
    await provider.backchannelResult(last.request, new (await import('oidc-provider')).errors.AccessDenied());
  } else {
    const made = new provider.Grant({ clientId: 'sealpost', accountId: last.account.accountId });
    made.addOIDCScope('openid scope_all');
    await made.save();
    await provider.backchannelResult(last.request, made, { acr: 'eidas1', amr: ['pop'] });
  }
  response.end(last.binding);
}

const standard = provider.callback();
server.on('request', (request, response) => {
  // The address of Pro Santé Connect's own description.
  request.url = request.url.replace('/wallet-openid-configuration', '/openid-configuration');
  const mine = request.url.startsWith('/interaction/') ? interaction
    : request.url.startsWith('/telephone/') ? telephone : standard;
  Promise.resolve(mine(request, response)).catch((error) => {
    console.error(error);
    response.statusCode = 500;
    response.end(String(error));
  });
});
console.log(issuer);
