/**
 * The root file system as Debian's packages make it, by mmdebstrap.
 */
import { mkdirSync } from 'node:fs';
import { type Build, packagesOf, rootOf } from '../build.ts';
import { run } from './run.ts';

/** Packages that the build itself takes files from; the image gets only those files. */
const forBuild = ({ profile }: Build): readonly string[] => [
  // Headers and the library that the cap addon is linked with.
  'libpcap0.8',
  'libpcap0.8-dev',
  ...(profile.board === 'container' ? [] : ['systemd-boot-efi']),
  ...(profile.board === 'raspberry-pi' ? ['raspi-firmware', 'u-boot-rpi'] : []),
];

/** `usrmerge` moves files at installation time by a Perl program; a root that is merged from the start needs neither. */
const NO_USRMERGE = 'Package: usrmerge\\nPin: release *\\nPin-Priority: -1\\n';

/** Manuals, translations: of /usr/share/doc only the copyright notices stay. */
const EXCLUDED = ['man', 'info', 'locale', 'doc', 'lintian', 'bash-completion'].map(
  name => `path-exclude=/usr/share/${name}/*`,
);

/**
 * Installs the profile's packages, and downloads those that only the build needs, from the same sources, in the same minute.
 */
export function installDebian(build: Build): void {
  const { profile, epoch } = build;
  const packages = packagesOf(build);
  mkdirSync(packages, { recursive: true });
  const wanted = forBuild(build).join(' ');
  const kernel = profile.kernel?.package;
  const download = `cd '${packages}' && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && apt-get download ${wanted} ${
    kernel === undefined
      ? ''
      : // The meta package names the kernel of the day.
        `$(apt-cache depends '${kernel}' | sed -n 's/^ *Depends: \\(linux-image-.*\\)$/\\1/p' | head -n 1)`
  }`;
  run(
    // In a mount namespace of its own: what mmdebstrap mounts in the root and cannot unmount again ends with it.
    'unshare',
    [
      '--mount',
      '--propagation=private',
      'mmdebstrap',
      '--mode=root',
      '--variant=essential',
      '--format=directory',
      `--architectures=${profile.architecture}`,
      '--aptopt=APT::Install-Recommends "false"',
      '--aptopt=APT::Sandbox::User "root"',
      ...EXCLUDED.map(option => `--dpkgopt=${option}`),
      '--dpkgopt=path-include=/usr/share/doc/*/copyright',
      `--setup-hook=mkdir -p "$1/etc/apt/preferences.d" && printf '${NO_USRMERGE}' > "$1/etc/apt/preferences.d/merged"`,
      '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
      `--customize-hook=${download}`,
      `--include=${profile.packages.join(',')}`,
      profile.suite,
      rootOf(build),
      ...profile.sources,
    ],
    { env: { SOURCE_DATE_EPOCH: String(epoch) } },
  );
}
