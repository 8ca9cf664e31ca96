/**
 * The shell script that makes a node out of fresh namespaces and then stays as its process 1. Pure text.
 *
 * It stands in for a container of `bivouac:latest`: the node's root is the host's own file system (which has FRR, nftables and
 * Node) under a private, writable layer in memory, so that every path is the node's own and nothing is written to the host.
 * All of it lives in the node's namespaces and vanishes with its last process.
 */
import type { Node } from '../topology/model.ts';
import { quote } from '../topology/words.ts';

/** The one image that a node may have here. */
export const IMAGE = 'bivouac:latest';

export interface InitOptions {
  readonly node: Node;
  /** An empty directory of the host; each node mounts its root there, in a mount namespace of its own. */
  readonly mountPoint: string;
  /** Directories that must be visible at their own paths, wherever the host has them mounted. */
  readonly share: readonly string[];
  /** The cap package, built for this machine's Node, if it is there: the image has one for its own, in /lab/node_modules. */
  readonly cap: string;
  /** What `bivouac` runs in the node: the words of a command on the host. */
  readonly bivouac: readonly string[];
}

/**
 * The script, for `sh -c` in new mount, pid, net, uts and ipc namespaces. File descriptor 3 gets the process id of the node's
 * process 1 as the host counts, once the root is complete; whatever goes wrong goes to stderr, with an exit status.
 */
export function renderInit({ node, mountPoint, share, cap, bivouac }: InitOptions): string {
  const binds = node.binds.map(
    bind => `bind ${quote(bind.source)} ${quote(bind.target)} ${bind.readOnly ? 'ro' : 'rw'}`,
  );
  const sysctls = Object.entries(node.sysctls).map(
    ([key, value]) => `echo ${quote(value)} > /proc/sys/${quote(key.replaceAll('.', '/'))}`,
  );
  return `set -eu
# /proc is still the host's, so this is the number by which the host knows this process.
read -r pid rest < /proc/self/stat
mount --make-rprivate /
mount -t tmpfs -o mode=755 node ${quote(mountPoint)}
cd ${quote(mountPoint)}
layer() {
  mkdir -p "upper$1" "work$1" "root$1"
  mount -t overlay -o "lowerdir=$1,upperdir=upper$1,workdir=work$1" node "root$1"
}
bind() {
  if [ -d "$1" ]; then mkdir -p "root$2"; else mkdir -p "root\${2%/*}"; [ -e "root$2" ] || : > "root$2"; fi
  mount --bind "$1" "root$2"
  if [ "$3" = ro ]; then mount -o remount,bind,ro "root$2"; fi
}
mkdir upper work root upper/root work/root
mount -t overlay -o lowerdir=/,upperdir=upper/root,workdir=work/root node root
# Parts of the system that the host has on file systems of their own.
for part in /usr /etc /var /opt /home /root; do
  if mountpoint -q "$part"; then layer "$part"; fi
done
for fresh in /run /tmp; do mount -t tmpfs -o mode=1777 node "root$fresh"; done
mount --rbind /dev root/dev
mount -t proc node root/proc
mount -t sysfs node root/sys
for part in ${share.map(quote).join(' ')}; do
  if [ ! -e "root$part" ]; then bind "$part" "$part" ro; fi
done
${binds.join('\n')}
if [ -d ${quote(cap)} ]; then bind ${quote(cap)} /lab/node_modules/cap ro; fi
printf '#!/bin/sh\\nexec %s "$@"\\n' ${quote(bivouac.map(quote).join(' '))} > root/usr/bin/bivouac
chmod 755 root/usr/bin/bivouac
mkdir -p root/.host
cd root
pivot_root . .host
umount -l /.host
rmdir /.host
cd /
hostname ${quote(node.name)}
ip link set lo up
${sysctls.join('\n')}
echo "$pid" >&3
exec 3>&-
# Process 1 adopts orphans; waiting is what buries them.
while :; do sleep 1000000 & wait $! || :; done
`;
}
