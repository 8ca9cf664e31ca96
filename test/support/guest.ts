/**
 * A machine of QEMU's for tests: from a kernel, or from a disk by UEFI; by software emulation, since /dev/kvm cannot be relied upon. Its
 * serial console is there to be read and typed at; a guest that runs guest-channel.ts's other end can be asked by a channel of its own.
 * It ends with kill() (as if its power were cut), with the worker that started it, or by itself after `lifetime`.
 *
 *     const guest = new Guest({ boot: { disk: 'box.img', firmware: { code: OVMF.code, variables } } });
 *     await guest.until(/login:/, 180_000);
 *     guest.type('root\n');
 *     await guest.kill();
 */
import { type ChildProcess, spawn } from 'node:child_process';

export type Boot =
  /** Direct kernel boot. */
  | { readonly kernel: string; readonly initrd: string; readonly append: string }
  /** UEFI from a raw disk image. The firmware's variables are written to: give each guest a copy of its own. */
  | { readonly disk: string; readonly firmware: { readonly code: string; readonly variables: string } }
  /** A Raspberry Pi 3, whose own firmware QEMU has not: U-Boot and a device tree as that would have loaded them, and a card (a raw image of 2^n bytes). */
  | { readonly uboot: string; readonly tree: string; readonly card: string };

export interface GuestOptions {
  readonly boot: Boot;
  readonly architecture?: 'x86_64' | 'aarch64';
  /** MiB; 1024 unless told. */
  readonly memory?: number;
  readonly processors?: number;
  /**
   * `instructions`: while it has something to do, its clock counts what it carries out, one a nanosecond: one processor of about 10^9 instructions a
   * second, as of a small router, however long this machine takes for it and whatever else that does. When idle, and unless told: this machine's time.
   * A PC with UEFI takes 4 ns for each: OVMF asks a timer for 0.75 s whether there is a TPM, which takes 35 s of this machine's at one, and 9 s at four.
   */
  readonly clock?: 'instructions';
  /** A directory of this host that the guest may read, by 9p under the tag `host`. */
  readonly share?: string;
  /** A UNIX socket that QEMU listens on: the other end is /dev/virtio-ports/bivouac in the guest (guest-channel.ts). */
  readonly channel?: string;
  /** Network devices, in QEMU's words without the id: `socket,listen=127.0.0.1:4000`, `tap,ifname=t0,script=no`. */
  readonly networks?: readonly string[];
  /** Further words for QEMU. */
  readonly words?: readonly string[];
  /** What a reboot does: the guest comes back, or (unless told) QEMU ends. */
  readonly reboots?: boolean;
  /** ms after which it is ended whatever it does; 15 minutes unless told. */
  readonly lifetime?: number;
}

/** The console's text is kept up to so many characters, the newest. */
const CONSOLE = 4 << 20;
/** Of which an error shows the last. */
const SHOWN = 4000;
const LIFETIME = 900_000;

export class Guest {
  readonly pid: number;
  /** Settles with QEMU's exit status, -1 for a signal. */
  readonly exited: Promise<number>;
  private readonly child: ChildProcess;
  private readonly timer: NodeJS.Timeout;
  private readonly onExit = (): void => void this.child.kill('SIGKILL');
  private text = '';
  private complaints = '';
  private ended = false;

  constructor(options: GuestOptions) {
    const { architecture = 'x86_64', lifetime = LIFETIME } = options;
    // Whatever else the machine does goes first: an emulator takes all that it is given. And it does not outlive its test.
    const before = ['-n', '10', 'setpriv', '--pdeathsig', 'KILL', `qemu-system-${architecture}`];
    const child = spawn('nice', [...before, ...wordsOf(options)], { stdio: 'pipe' });
    this.child = child;
    this.pid = child.pid ?? -1;
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.text = (this.text + text).slice(-CONSOLE);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.complaints = (this.complaints + text).slice(-SHOWN);
    });
    child.stdin.on('error', () => {});
    this.timer = setTimeout(this.onExit, lifetime);
    process.on('exit', this.onExit);
    this.exited = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', code => {
        this.ended = true;
        clearTimeout(this.timer);
        process.off('exit', this.onExit);
        resolve(code ?? -1);
      });
    });
    this.exited.catch(() => {});
  }

  /** All that the serial console has shown, from `mark` (a length of before) on. */
  console(mark = 0): string {
    return this.text.slice(mark);
  }

  /** Types at the serial console. */
  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Waits until the console has shown this, from `mark` on, and gives the match. Throws with what it showed last. */
  async until(pattern: RegExp, timeout: number, mark = 0): Promise<RegExpMatchArray> {
    const end = performance.now() + timeout;
    for (;;) {
      const match = this.console(mark).match(pattern);
      if (match) return match;
      if (this.ended) throw new Error(`the guest ended before its console showed ${pattern}\n${this.last()}`);
      if (performance.now() > end)
        throw new Error(`the guest's console did not show ${pattern} within ${timeout} ms\n${this.last()}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  /** What the console showed last, and what QEMU complained of: for errors. */
  last(): string {
    return `${this.complaints}--- console ---\n${this.text.slice(-SHOWN)}`;
  }

  /** Cuts the power. Never throws. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited.catch(() => {});
  }
}

/**
 * What programs choose vectors and `rep stosb` for costs an emulator the most: SHA-256, ChaCha20 and cleared pages take from half to a third of the time
 * on a processor that has neither.
 */
const PLAIN = 'qemu64';

/**
 * MiB of code that is kept translated. A page's translations are a list that is gone through for each of them when the page is written to again; and a
 * page of a program is translated for each process, whose addresses differ. With QEMU's own GiB, a box that restarts from its initramfs took
 * minutes to clear the pages where its shell had been.
 */
const TRANSLATED = 256;

/** Pure: QEMU's words. */
export function wordsOf(options: GuestOptions): string[] {
  const { boot, architecture = 'x86_64', memory = 1024, share, channel } = options;
  const counts = options.clock === 'instructions';
  if ('uboot' in boot) return piWords(boot, options);
  const { processors = counts ? 1 : 2 } = options;
  const pc = architecture === 'x86_64';
  const uefi = 'disk' in boot;
  // Pointer authentication by QEMU's own hash: Arm's takes half of an emulated machine's time.
  const [machine, cpu] = pc ? ['q35', uefi ? PLAIN : 'max'] : ['virt', 'max,pauth-impdef=on'];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio'],
    ...[
      '-M',
      machine,
      '-accel',
      `tcg,thread=${counts ? 'single' : 'multi'}${uefi ? `,tb-size=${TRANSLATED}` : ''}`,
      '-cpu',
      cpu,
      '-smp',
      `${processors}`,
      '-m',
      `${memory}`,
    ],
    ...(counts ? ['-icount', `shift=${pc && uefi ? 2 : 0},sleep=on`] : []),
    ...(options.reboots ? [] : ['-no-reboot']),
    ...['-device', 'virtio-rng-pci'],
    ...('kernel' in boot
      ? ['-kernel', boot.kernel, '-initrd', boot.initrd, '-append', boot.append]
      : [
          ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${boot.firmware.code}`],
          ...['-drive', `if=pflash,format=raw,unit=1,file=${boot.firmware.variables}`],
          ...['-drive', `if=none,id=disk,format=raw,file=${boot.disk}`],
          ...['-device', 'virtio-blk-pci,drive=disk,bootindex=0'],
        ]),
    ...(share === undefined
      ? []
      : [
          ...['-fsdev', `local,id=share,path=${share},security_model=none,readonly=on,multidevs=remap`],
          ...['-device', 'virtio-9p-pci,fsdev=share,mount_tag=host'],
        ]),
    ...(channel === undefined
      ? []
      : [
          ...['-chardev', `socket,id=channel,path=${channel},server=on,wait=off`],
          ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=channel,name=bivouac'],
        ]),
    ...(options.networks ?? []).flatMap((network, index) => [
      ...['-netdev', network.replace(/^([^,]*)/, `$1,id=net${index}`)],
      ...['-device', `virtio-net-pci,netdev=net${index},mac=52:54:00:00:00:${hex(index)}`],
    ]),
    ...(options.words ?? []),
  ];
}

/** By instructions it is eight times slower than others: U-Boot counts them while it waits, for seconds. The console is the second UART; the first is a UNIX socket at `channel`. No network: Linux's USB driver and QEMU's controller do not get on. */
const piWords = (
  { uboot, tree, card }: { readonly uboot: string; readonly tree: string; readonly card: string },
  { channel, words = [], clock, reboots }: GuestOptions,
): string[] => [
  ...['-M', 'raspi3b', '-display', 'none', ...(reboots ? [] : ['-no-reboot'])],
  ...(clock === 'instructions'
    ? ['-accel', 'tcg,thread=single', '-icount', 'shift=3,sleep=on']
    : ['-accel', 'tcg,thread=multi']),
  ...['-serial', channel === undefined ? 'null' : `unix:${channel},server=on,wait=off`, '-serial', 'stdio'],
  ...['-kernel', uboot, '-dtb', tree, '-drive', `if=sd,format=raw,file=${card}`],
  ...words,
];

const hex = (index: number): string => (index + 1).toString(16).padStart(2, '0');
