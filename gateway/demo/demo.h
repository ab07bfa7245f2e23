/* SPDX-License-Identifier: Apache-2.0
 *
 * `kiln demo`: the main job, end to end, on this machine and with nothing prepared. The same
 * program is started as a server and as a client, real bytes go both ways, and what is printed
 * comes from their log lines and from hashes taken at both ends.
 */
#ifndef KILN_DEMO_DEMO_H
#define KILN_DEMO_DEMO_H

int kiln_demo_main(int argc, char **argv);

#endif
