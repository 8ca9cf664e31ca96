/**
 * A Raspberry Pi 3 that was made from an image, as a guest of QEMU's: its card is a copy. The board's own firmware is not run, U-Boot is;
 * and the device tree has no power management: QEMU restarts the board as soon as its watchdog is armed. As QEMU's Pi has no network
 * that Linux gets on with, commands go to a shell on the first UART, which is Bluetooth's else; an argument of the kernel's brings it up.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addArgument } from './box-images.ts';
import { Guest } from './guest.ts';

/** The first process starts this shell beside the initramfs' own program; it goes into the root as soon as that is mounted. */
export const SHELL =
  'rdinit=/bin/sh -- -c "mount -t devtmpfs d /dev;(until [ -d /root/usr ];do sleep 1;done;exec busybox chroot /root /bin/sh <>/dev/ttyAMA0 >&0 2>&0)& exec /init"';

/** Where the boot partition begins, as mtools write it. */
const ESP = '@@1M';
const ENTRIES = '::EFI/Linux';

/** Takes from a device tree by what a device is known to its driver: its first property `compatible` becomes FDT_NOPs (Devicetree specification § 5.4.1). */
function forget(tree: Buffer, compatible: string): void {
  const at = tree.indexOf(`${compatible}\0`);
  if (at < 0) throw new Error(`the device tree has no ${compatible}`);
  const length = tree.readUInt32BE(at - 8);
  for (let word = at - 12; word < at + length; word += 4) tree.writeUInt32BE(4, word);
}

export class Pi {
  readonly directory = mkdtempSync(join(tmpdir(), 'bivouac-pi-'));
  readonly card = join(this.directory, 'card.img');
  private readonly socket = join(this.directory, 'uart');
  private running: Guest | undefined;
  private serial: Socket | undefined;
  private said = '';
  private asked = 0;
  /** Whether the shell has come up. What is sent before fills the UART's queue, and Linux then never hears of it. */
  private awake = false;

  constructor(image: string, configuration: object) {
    execFileSync('cp', ['--sparse=always', image, this.card]);
    truncateSync(this.card, 1 << 30);
    this.put('bivouac/bivouac.json', Buffer.from(JSON.stringify(configuration)));
    const [entry] = this.entries();
    const kernel = this.take(`EFI/Linux/${entry}`);
    addArgument(kernel, SHELL);
    this.put(`EFI/Linux/${entry}`, kernel);
    writeFileSync(this.at('u-boot.bin'), this.take('u-boot.bin'));
    const tree = this.take('bcm2837-rpi-3-b.dtb');
    for (const device of ['brcm,bcm2835-pm', 'brcm,bcm43438-bt']) forget(tree, device);
    writeFileSync(this.at('tree'), tree);
  }

  get guest(): Guest {
    if (this.running === undefined) throw new Error('the board is not running');
    return this.running;
  }

  /** A file of the boot partition, while the board is off. */
  take(path: string): Buffer {
    execFileSync('mcopy', ['-n', '-o', '-i', `${this.card}${ESP}`, `::${path}`, this.at('take')]);
    return readFileSync(this.at('take'));
  }

  /** Writes a file of the boot partition, while the board is off. */
  put(path: string, bytes: Uint8Array): void {
    writeFileSync(this.at('put'), bytes);
    execFileSync('mcopy', ['-o', '-i', `${this.card}${ESP}`, this.at('put'), `::${path}`]);
  }

  /** Names of the boot entries' files. */
  entries(): readonly string[] {
    const listed = execFileSync('mdir', ['-b', '-i', `${this.card}${ESP}`, ENTRIES], { encoding: 'utf8' });
    return listed
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.slice(line.lastIndexOf('/') + 1))
      .sort();
  }

  /** Puts a file into the state partition, while the board is off. On a copy: e2fsck forgets the offset once it has replayed the journal. */
  keep(file: string, name: string): void {
    const listed = execFileSync('sgdisk', ['-i', '6', this.card], { encoding: 'utf8' });
    const sector = (which: string): number => Number(new RegExp(`${which} sector: (\\d+)`).exec(listed)?.[1]);
    const [first, last] = [sector('First'), sector('Last')];
    const state = this.at('state');
    const copy = ['bs=512', 'conv=notrunc,sparse', 'status=none'];
    rmSync(state, { force: true });
    execFileSync('dd', [
      `if=${this.card}`,
      `of=${state}`,
      `skip=${first}`,
      `count=${last + 1 - first}`,
      ...copy,
    ]);
    truncateSync(state, (last + 1 - first) * 512);
    // Its status is 1 when it has mended something.
    spawnSync('e2fsck', ['-fy', state]);
    execFileSync('debugfs', ['-w', '-R', `write ${file} ${name}`, state], { stdio: 'pipe' });
    execFileSync('dd', [
      `if=${state}`,
      `of=${this.card}`,
      `seek=${first}`,
      'bs=512',
      'conv=notrunc',
      'status=none',
    ]);
  }

  /** Turns it on. */
  start(): void {
    const card = `${this.card},cache=unsafe`;
    this.running = new Guest({
      architecture: 'aarch64',
      boot: { uboot: this.at('u-boot.bin'), tree: this.at('tree'), card },
      clock: 'instructions',
      channel: this.socket,
      reboots: true,
      lifetime: 5_400_000,
    });
    void this.dial(this.running);
  }

  /** Has it restart itself. */
  restart(): void {
    this.serial?.write('systemctl reboot\n');
    this.said = '';
    this.awake = false;
  }

  /** Cuts its power. */
  async cut(): Promise<void> {
    this.serial?.destroy();
    this.serial = undefined;
    await this.running?.kill();
    this.running = undefined;
  }

  /** What a line of commands of its shell says; undefined when there is no answer within `timeout` ms. */
  async run(command: string, timeout = 600_000): Promise<string | undefined> {
    const end = performance.now() + timeout;
    while (!this.awake && performance.now() < end) {
      this.awake = /job control/.test(this.said);
      if (!this.awake) await new Promise(resolve => setTimeout(resolve, 200));
    }
    if (!this.awake) return undefined;
    const mark = String(++this.asked);
    this.said = '';
    // As the terminal echoes them, the marks have quotes in them.
    const say = (what: string): string => `printf '\\n%s\\n' '${what}-${mark}'"."`;
    this.serial?.write(`\n${say('from')}; ${command}; ${say('to')}\n`);
    const answer = new RegExp(`from-${mark}\\.\\r?\\n([\\s\\S]*?)\\r?\\nto-${mark}\\.`);
    while (performance.now() < end) {
      const match = answer.exec(this.said);
      if (match) return match[1]!.replaceAll('\r', '');
      await new Promise(resolve => setTimeout(resolve, 200));
    }
    return undefined;
  }

  /** What a command says once that fits; throws with what it and the console said last. */
  async until(command: string, fits: RegExp, timeout: number): Promise<string> {
    const end = performance.now() + timeout;
    for (let last: string | undefined; ; ) {
      last = (await this.run(command, 60_000)) ?? last;
      if (last !== undefined && fits.test(last)) return last;
      if (performance.now() > end)
        throw new Error(`${command} does not say ${fits}, but: ${last}\n${this.guest.last()}`);
    }
  }

  /** Ends it, and removes its files. */
  async dispose(): Promise<void> {
    await this.cut();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Connects to the shell's end as soon as QEMU listens. */
  private async dial(guest: Guest): Promise<void> {
    this.said = '';
    this.awake = false;
    let socket: Socket | undefined;
    while (socket === undefined && guest === this.running) {
      const tried = connect(this.socket).setEncoding('latin1');
      tried.on('data', (text: string) => {
        this.said += text;
      });
      socket = await new Promise(done => {
        tried.on('connect', () => done(tried)).on('error', () => setTimeout(() => done(undefined), 200));
      });
    }
    this.serial = socket;
  }

  private at(name: string): string {
    return join(this.directory, name);
  }
}
