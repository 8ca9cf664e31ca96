import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createExec } from '../../../appliance/host/exec.ts';
import { peerCertificate, uriNames } from '../../../appliance/host/net-certificate.ts';

const urn = 'urn:bivouac:name:*';

test.each([
  ['', []],
  [`URI:${urn}`, [urn]],
  [`DNS:a.b, URI:${urn}, IP Address:10.0.0.1, URI:urn:x`, [urn, 'urn:x']],
  ['URI:"urn:bivouac:port:tcp/80\\u002c443"', ['urn:bivouac:port:tcp/80,443']],
  [`DNS:"a\\u002c URI:${urn}"`, []],
  [`DNS:"a\\", URI:${urn}"`, []],
])('%s holds the URI names %j', (text, names) => {
  expect(uriNames(text)).toEqual(names);
});

test.each([
  `DNS:"unfinished, URI:${urn}`,
  `DNS:a"b, URI:${urn}`,
  `URI:${urn},URI:urn:x`,
  `URI:${urn}\n`,
  `, URI:${urn}`,
  `:x, URI:${urn}`,
  `URI:"\\q", URI:${urn}`,
])('%j is not as node writes names, and holds none', text => {
  expect(uriNames(text)).toEqual([]);
});

test('a DNS name of a real certificate that pretends to hold a URI name holds none', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-san-'));
  try {
    const config = join(directory, 'cnf');
    writeFileSync(
      config,
      `[req]\ndistinguished_name = s\nprompt = no\nx509_extensions = e\n[s]\nCN = x\n[e]\nsubjectAltName = @n\n[n]\nDNS.1 = a, URI:${urn}\nURI.1 = urn:bivouac:role:server\n`,
    );
    const args = [
      'req',
      '-x509',
      '-config',
      config,
      '-newkey',
      'ed25519',
      '-nodes',
      '-keyout',
      join(directory, 'key'),
    ];
    const { stdout } = await createExec().run('openssl', args);
    const certificate = new X509Certificate(stdout);
    expect(certificate.subjectAltName).toContain(urn);
    expect(peerCertificate(certificate)).toMatchObject({
      uris: ['urn:bivouac:role:server'],
      subject: 'CN=x',
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
