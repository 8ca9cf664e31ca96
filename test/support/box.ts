/**
 * A box that was made from an image, as a guest of QEMU's started by UEFI: its disk is a copy, its configuration (with a key to log in by)
 * stands on its EFI system partition, and commands are run in it by SSH.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest } from './guest.ts';
import { poll } from './netns.ts';
import { openMonitor } from './qemu-monitor.ts';

/** UEFI: Debian's ovmf and qemu-efi-aarch64. */
const UEFI = {
  x86_64: { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  aarch64: { code: '/usr/share/AAVMF/AAVMF_CODE.fd', variables: '/usr/share/AAVMF/AAVMF_VARS.fd' },
} as const;
/** Where the EFI system partition begins on every image, as mtools write it. */
const ESP = '@@1M';

export interface Said {
  /** Exit status; 255 when it could not be asked. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface BoxOptions {
  /** The disk image that is copied. */
  readonly image: string;
  /** x86_64 unless told. */
  readonly architecture?: keyof typeof UEFI;
  /** bivouac.json on the EFI system partition; `box.ssh` is added. Absent: none, and no way to log in. */
  readonly configuration?: object;
  /** Network devices besides the first, which is QEMU's own network (with DHCP, and the way to SSH); see guest.ts. */
  readonly networks?: readonly string[];
  readonly words?: readonly string[];
  /** See guest.ts: for boxes that have nothing to do with anything of this machine's time. */
  readonly clock?: 'instructions';
  /** Whose key may log in, too: a box that this one is to go on from. Unless told it has one of its own. */
  readonly like?: Box;
}

/** Files of a box as it was. */
export interface Frozen {
  readonly memory: string;
  readonly disk: string;
  readonly variables: string;
}

export class Box {
  readonly directory = mkdtempSync(join(tmpdir(), 'bivouac-box-'));
  readonly disk = join(this.directory, 'disk.img');
  private readonly key: string;
  private readonly options: BoxOptions;
  private readonly variables = join(this.directory, 'variables');
  private port = 0;
  private kept = 0;
  private running: Guest | undefined;

  constructor(options: BoxOptions) {
    this.options = options;
    this.key = options.like?.key ?? join(this.directory, 'key');
    execFileSync('cp', ['--sparse=always', options.image, this.disk]);
    truncateSync(this.disk, 1 << 30);
    copyFileSync(UEFI[options.architecture ?? 'x86_64'].variables, this.variables);
    if (options.like === undefined)
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', this.key]);
    if (options.configuration !== undefined) this.configure(options.configuration);
  }

  /** The public key that may log in. */
  get publicKey(): string {
    return readFileSync(`${this.key}.pub`, 'utf8').trim();
  }

  get guest(): Guest {
    if (this.running === undefined) throw new Error('the box is not running');
    return this.running;
  }

  /** Puts a configuration on its EFI system partition, while it is off. */
  configure(configuration: object): void {
    const box = { ...(configuration as { box?: object }).box, ssh: { keys: [this.publicKey] } };
    this.put('bivouac/bivouac.json', JSON.stringify({ ...configuration, box }, undefined, 1));
  }

  /** Puts a file on its EFI system partition, while it is off. */
  put(path: string, text: string): void {
    const file = join(this.directory, 'put');
    writeFileSync(file, text);
    execFileSync('mcopy', ['-o', '-i', `${this.disk}${ESP}`, file, `::${path}`]);
  }

  /** File names in a directory of its EFI system partition. */
  entries(): readonly string[] {
    const listed = execFileSync('mdir', ['-b', '-i', `${this.disk}${ESP}`, '::EFI/Linux'], {
      encoding: 'utf8',
    });
    return listed
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.slice(line.lastIndexOf('/') + 1));
  }

  /** Turns it on; `words` for QEMU besides those of its options. */
  async start(more: readonly string[] = []): Promise<void> {
    this.port = await freePort();
    const { architecture = 'x86_64', clock, networks = [], words = [] } = this.options;
    this.running = new Guest({
      architecture,
      ...(clock && { clock }),
      // A cut of this power loses nothing that the emulator has written: there is nothing to wait for the host's disk for.
      boot: {
        disk: `${this.disk},cache=unsafe`,
        firmware: { code: UEFI[architecture].code, variables: this.variables },
      },
      memory: 512,
      reboots: true,
      lifetime: 3_600_000,
      networks: [`user,hostfwd=tcp:127.0.0.1:${this.port}-:22`, ...networks],
      words: ['-qmp', `unix:${join(this.directory, 'monitor')},server=on,wait=off`, ...words, ...more],
    });
  }

  /** Keeps what a running box is, memory and disk, and ends it: this one and copies of it may go on from there, again and again. */
  async freeze(): Promise<Frozen> {
    const number = this.kept++;
    const at = (name: string): string => join(this.directory, `kept-${number}.${name}`);
    const monitor = await openMonitor(join(this.directory, 'monitor'));
    await monitor.ask('stop');
    await monitor.ask('migrate', { uri: `exec:cat > ${at('memory')}` });
    await poll(
      async () => (await monitor.ask('query-migrate'))['status'] === 'completed',
      120_000,
      'it is kept',
      100,
    );
    monitor.close();
    await this.cut();
    renameSync(this.disk, at('disk'));
    renameSync(this.variables, at('variables'));
    return { memory: at('memory'), disk: at('disk'), variables: at('variables') };
  }

  /** Goes on from what was kept: of itself, or of a box of the same options. */
  async thaw({ memory, disk, variables }: Frozen): Promise<void> {
    await this.cut();
    execFileSync('cp', ['--sparse=always', disk, this.disk]);
    copyFileSync(variables, this.variables);
    await this.start(['-incoming', `exec:cat ${memory}`]);
    const path = join(this.directory, 'monitor');
    const monitor = await poll(
      () => openMonitor(path).catch(() => undefined),
      30_000,
      'QEMU has its monitor',
      100,
    );
    // It comes back stopped, as it was kept.
    const status = async (): Promise<unknown> => (await monitor.ask('query-status'))['status'];
    await poll(async () => (await status()) === 'paused', 120_000, 'it is there again', 100);
    await monitor.ask('cont');
    monitor.close();
  }

  /** Cuts its power. */
  async cut(): Promise<void> {
    await this.running?.kill();
    this.running = undefined;
  }

  /** Runs a command of its shell; `input` is a file that it gets. */
  async run(
    command: string,
    options: {
      readonly input?: string;
      readonly timeout?: number;
      /** Called with all that it has written to stdout so far, whenever there is more. */
      readonly onOutput?: (stdout: string) => void;
    } = {},
  ): Promise<Said> {
    const words = ['-q', '-i', this.key, '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no'];
    const more = [
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'ConnectTimeout=30',
      '-p',
      String(this.port),
      'root@127.0.0.1',
      command,
    ];
    const child = spawn('ssh', [...words, ...more], { stdio: 'pipe' });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 900_000);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onOutput?.(stdout);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => {});
    if (options.input === undefined) child.stdin.end();
    else createReadStream(options.input).pipe(child.stdin);
    const status = await new Promise<number>(resolve => child.on('close', code => resolve(code ?? 255)));
    clearTimeout(timer);
    return { status, stdout, stderr };
  }

  /** What a command says, once it says something that fits; asked again and again until then. Throws with what it said last. */
  async until(
    command: string,
    fits: RegExp | ((said: Said) => boolean),
    timeout = 1_200_000,
  ): Promise<string> {
    const end = performance.now() + timeout;
    for (;;) {
      const said = await this.run(command, { timeout: 120_000 });
      if (typeof fits === 'function' ? fits(said) : fits.test(said.stdout)) return said.stdout;
      if (performance.now() > end)
        throw new Error(
          `${command} does not say ${fits} within ${timeout} ms, but: ${said.stdout}${said.stderr}\n${this.guest.last()}`,
        );
      // A log-in costs an emulated box seconds.
      await new Promise(resolve => setTimeout(resolve, 5000));
    }
  }

  /** Waits until it has judged its image; gives the rows of `bivouac box status`. */
  async judged(timeout?: number): Promise<readonly Slot[]> {
    await this.until('systemctl is-active bivouac-healthy.service', /^active/, timeout);
    return this.slots();
  }

  async slots(): Promise<readonly Slot[]> {
    const { stdout, stderr } = await this.run('bivouac box status --json');
    try {
      return JSON.parse(stdout) as Slot[];
    } catch {
      throw new Error(`bivouac box status: ${stdout}${stderr}`);
    }
  }

  /** Ends it, and removes its files. */
  async dispose(): Promise<void> {
    await this.cut();
    if (existsSync(this.directory)) rmSync(this.directory, { recursive: true });
  }
}

export interface Slot {
  readonly slot: 'a' | 'b';
  readonly version: string;
  readonly generation: number;
  readonly runs: string;
  readonly state: 'good' | 'failed' | 'on trial';
  readonly left: number | '';
}

/** A TCP port of loopback that nobody has at the moment. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
