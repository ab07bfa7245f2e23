/* The plain TCP server behind the proxy: takes commands, gives answers (proto.h). */
#pragma once

#include "options.h"

/* Prints {"port": N}, serves until SIGTERM or SIGINT; the exit code. */
int backend_run(const struct load_options *opt);
