/* SPDX-License-Identifier: Apache-2.0
 * "kiln doctor". */
#ifndef KILN_GATEWAY_DOCTOR_H
#define KILN_GATEWAY_DOCTOR_H

/* argv[0] is "doctor" (or the program). Returns the exit status: 0 when Kiln can run here on
 * whatever path, 1 when it cannot, 2 on wrong usage. */
int kiln_doctor_main(int argc, char **argv);

#endif
