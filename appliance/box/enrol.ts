/**
 * SSH public keys that somebody pastes at the console. Pure.
 */

/** As authorized_keys has them (sshd(8)), without options: those could run programs. */
const KEY =
  /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/]{40,4000}={0,3}(?: [ -~]{0,200})?$/;

/** The key in what was pasted, or why there is none. Its blob must name the same kind as its text. */
export function readKey(pasted: string): string | { readonly fault: string } {
  const line = pasted.replaceAll(/[\r\n]+/g, ' ').trim();
  if (line.includes('PRIVATE KEY'))
    return {
      fault: 'that is a private key: never show it to anybody. Paste the one in the file that ends with .pub',
    };
  if (!KEY.test(line)) return { fault: 'that is no SSH public key, such as: ssh-ed25519 AAAA... name' };
  const [kind = '', blob = ''] = line.split(' ');
  if (blob.length % 4 !== 0 || !atob(blob).startsWith(`\0\0\0${String.fromCharCode(kind.length)}${kind}`))
    return { fault: 'the key is damaged: part of it is missing' };
  return line;
}
