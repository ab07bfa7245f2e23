/* SPDX-License-Identifier: Apache-2.0
 * What is typed at the terminal without being shown; see terminal.h. */
#include "keys/client/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "base/bytes.h"

/* ---- a line without echo -------------------------------------------------------------------- */

static volatile sig_atomic_t came;

static void on_signal(int number)
{
	came = number;
}

static const int caught[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,   SIGTSTP, SIGALRM,
			     SIGUSR1, SIGUSR2, SIGXCPU, SIGVTALRM, SIGPROF};
#define CAUGHT (sizeof caught / sizeof caught[0])

struct signals {
	struct sigaction actions[CAUGHT];
	sigset_t mask;
};

/* They are noted, and only while we wait: none comes between a look and a sleep. */
static void catch_signals(struct signals *before)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;
	(void)sigemptyset(&action.sa_mask);
	(void)sigemptyset(&blocked);
	came = 0;
	for (size_t i = 0; i < CAUGHT; i++) {
		(void)sigaddset(&blocked, caught[i]);
		(void)sigaction(caught[i], NULL, &before->actions[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &blocked, &before->mask);
	for (size_t i = 0; i < CAUGHT; i++)
		if (before->actions[i].sa_handler != SIG_IGN)
			(void)sigaction(caught[i], &action, NULL);
}

static void release_signals(const struct signals *before)
{
	for (size_t i = 0; i < CAUGHT; i++)
		(void)sigaction(caught[i], &before->actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

static bool wait_for_input(int fd, const sigset_t *mask)
{
	struct pollfd input = {.fd = fd, .events = POLLIN};
	return ppoll(&input, 1, NULL, mask) == 1 && came == 0;
}

/* Byte by byte: what is behind the line is not ours. False: too long, or no line. */
static bool read_line(int fd, const sigset_t *mask, uint8_t *out, size_t max, size_t *len)
{
	bool fits = true;
	*len = 0;
	for (;;) {
		uint8_t byte;
		if (!wait_for_input(fd, mask) || read(fd, &byte, 1) != 1)
			return false;
		if (byte == '\n')
			return fits;
		if (*len == max)
			fits = false;
		else
			out[(*len)++] = byte;
	}
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		return; /* a terminal that is gone is noticed by reading */
}

static bool hide(int fd, const struct termios *shown)
{
	struct termios hidden = *shown, now;
	hidden.c_lflag = (hidden.c_lflag & ~(tcflag_t)(ECHO | ECHOE | ECHOK)) | ECHONL | ICANON;
	/* tcsetattr is content with a part of what it was asked for. */
	return tcsetattr(fd, TCSAFLUSH, &hidden) == 0 && tcgetattr(fd, &now) == 0 &&
	       (now.c_lflag & (tcflag_t)ECHO) == 0;
}

/* KILN_E_AGAIN: a signal came, and took its course when all was as before. */
static enum kiln_code ask(int fd, const char *prompt, uint8_t *out, size_t max, size_t *len,
			  struct kiln_error *err)
{
	struct signals before;
	struct termios shown;
	bool whole = false;
	if (tcgetattr(fd, &shown) != 0)
		return kiln_fail(err, KILN_E_UNSUPPORTED, "there is no terminal to ask at");
	catch_signals(&before);
	const bool hidden = hide(fd, &shown);
	if (hidden) {
		say(fd, prompt);
		whole = read_line(fd, &before.mask, out, max, len);
	}
	(void)tcsetattr(fd, TCSAFLUSH, &shown);
	release_signals(&before);
	if (whole)
		return KILN_OK;
	kiln_wipe(out, max);
	if (came != 0) {
		(void)raise(came);
		return KILN_E_AGAIN;
	}
	if (!hidden)
		return kiln_fail(err, KILN_E_SYSTEM,
				 "the terminal does not stop showing what is typed");
	return kiln_fail(err, KILN_E_CONFIG, "nothing was entered, or more than %zu bytes", max);
}

enum kiln_code kiln_keycli_terminal_read(const char *prompt, uint8_t *out, size_t max, size_t *len,
					 struct kiln_error *err)
{
	enum kiln_code rc;
	const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return kiln_fail(err, KILN_E_UNSUPPORTED, "there is no terminal to ask at");
	do
		rc = ask(fd, prompt, out, max, len, err);
	while (rc == KILN_E_AGAIN); /* it was stopped, and goes on */
	(void)close(fd);
	return rc;
}

/* ---- patience ------------------------------------------------------------------------------- */

#define FIRST_US 400000

static struct {
	const char *what;
	bool said, terminal;
} progress;

static void on_alarm(int number)
{
	const int failed = errno;
	(void)number;
	if (!progress.said) {
		say(STDERR_FILENO, progress.what);
		say(STDERR_FILENO, progress.terminal ? " ..." : " ...\n");
		progress.said = true;
	} else if (progress.terminal) {
		say(STDERR_FILENO, ".");
	}
	errno = failed;
}

void kiln_keycli_progress_begin(const char *what)
{
	const struct itimerval timer = {.it_value = {.tv_usec = FIRST_US},
					.it_interval = {.tv_sec = 1}};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	(void)sigemptyset(&action.sa_mask);
	progress.what = what;
	progress.said = false;
	progress.terminal = isatty(STDERR_FILENO) == 1;
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

void kiln_keycli_progress_end(void)
{
	const struct itimerval never = {.it_value = {0}};
	(void)setitimer(ITIMER_REAL, &never, NULL);
	(void)signal(SIGALRM, SIG_IGN);
	if (progress.said && progress.terminal)
		say(STDERR_FILENO, "\r\033[K");
}
