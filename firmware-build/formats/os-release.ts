/**
 * os-release(5) of an image.
 */

/** The text of /usr/lib/os-release. */
export const releaseText = (profile: string, version: string): string => `ID=bivouac
ID_LIKE=debian
NAME=Bivouac
PRETTY_NAME="Bivouac ${version}"
VERSION_ID=${version}
IMAGE_ID=${profile}
IMAGE_VERSION=${version}
HOME_URL=https://bivouac.example/
`;
