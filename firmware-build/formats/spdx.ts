/**
 * The bill of materials in SPDX 2.3 (ISO/IEC 5962), JSON: what an image is made of, each with the purl by which scanners find advisories.
 */

export interface Component {
  readonly name: string;
  readonly version: string;
  /** Package URL (purl-spec): `pkg:deb/debian/frr@8.4.4-1?arch=amd64`. */
  readonly purl: string;
  /** An SPDX expression, when it is known. */
  readonly license?: string | undefined;
  readonly supplier?: string | undefined;
  /** Hash of the package's file, hex. */
  readonly sha512?: string | undefined;
}

export interface Bill {
  readonly name: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** SHA-256 of the file that it speaks of, hex. */
  readonly sha256: string;
  readonly components: readonly Component[];
}

/** The document; the same bill gives the same bytes. */
export function spdxText({ name, version, epoch, sha256, components }: Bill): string {
  const image = {
    SPDXID: 'SPDXRef-Image',
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    primaryPackagePurpose: 'OPERATING-SYSTEM',
    checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }],
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: 'NOASSERTION',
    copyrightText: 'NOASSERTION',
  };
  const packages = components.map((component, index) => packageOf(component, index));
  return `${JSON.stringify(
    {
      spdxVersion: 'SPDX-2.3',
      dataLicense: 'CC0-1.0',
      SPDXID: 'SPDXRef-DOCUMENT',
      name: `${name}-${version}`,
      documentNamespace: `https://bivouac.example/spdx/${name}-${encodeURIComponent(version)}-${sha256.slice(0, 16)}`,
      creationInfo: {
        created: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
        creators: ['Tool: bivouac-firmware'],
      },
      documentDescribes: [image.SPDXID],
      packages: [image, ...packages],
      relationships: packages.map(({ SPDXID }) => ({
        spdxElementId: image.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    },
    null,
    1,
  )}\n`;
}

const packageOf = ({ name, version, purl, license, supplier, sha512 }: Component, index: number) => ({
  // Identifiers take letters, digits, `.` and `-`; names that differ elsewhere must not become one.
  SPDXID: `SPDXRef-${index}-${name.replace(/[^A-Za-z0-9.-]/g, '-')}`,
  name,
  versionInfo: version,
  downloadLocation: 'NOASSERTION',
  filesAnalyzed: false,
  licenseConcluded: 'NOASSERTION',
  licenseDeclared: license ?? 'NOASSERTION',
  copyrightText: 'NOASSERTION',
  ...(supplier !== undefined && { supplier: `Organization: ${supplier}` }),
  ...(sha512 !== undefined && { checksums: [{ algorithm: 'SHA512', checksumValue: sha512 }] }),
  externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
});
