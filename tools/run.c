// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that is given a descriptor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "create.h"
#include "tool.h"

#define PLACE	"{}"

static size_t count_places(const char *word)
{
	size_t n = 0;

	for (word = strstr(word, PLACE); word; word = strstr(word + strlen(PLACE), PLACE))
		n++;
	return n;
}

/* Returns @word with @path for each {}; it is never freed. */
static char *fill_in(const char *word, const char *path)
{
	char *filled = malloc(strlen(word) + count_places(word) * strlen(path) + 1);
	char *end = filled;
	const char *place;

	if (!filled)
		fm_die(FM_CREATE_FAILED, "%s", strerror(errno));
	while ((place = strstr(word, PLACE))) {
		end = mempcpy(end, word, place - word);
		end = stpcpy(end, path);
		word = place + strlen(PLACE);
	}
	stpcpy(end, word);
	return filled;
}

/**
 * fm_run_program() - become the program; exits if that fails
 * @program: its words, of which those behind its name may have {} for the descriptor
 * @fd: the descriptor, which is closed in no program from now on
 */
void fm_run_program(char **program, int fd)
{
	char number[16], path[32];
	char **word;

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	for (word = program + 1; *word; word++)
		*word = fill_in(*word, path);
	if (setenv("FAULTMAP_FD", number, 1) || fcntl(fd, F_SETFD, 0))
		fm_die(FM_CREATE_FAILED, "%s", strerror(errno));
	execvp(*program, program);
	fm_die(errno == ENOENT ? FM_NOT_FOUND : FM_NOT_RUN,
	       "create %s: %s: give a PROGRAM that can be run", *program, strerror(errno));
}

/* What is sent to us is meant for the program; of a terminal's it has its own. */
static int wait_for(pid_t pid, const sigset_t *signals)
{
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(signals, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD && info.si_code <= 0)
			kill(pid, info.si_signo);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
	}
}

/**
 * fm_run_and_wait() - run the program and wait for it; exits if it cannot be started
 * @program: as for fm_run_program()
 * @fd: likewise
 *
 * Return: its exit status; FM_SIGNALLED plus the signal that killed it
 */
int fm_run_and_wait(char **program, int fd)
{
	sigset_t signals, before;
	int status;
	pid_t pid;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGQUIT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	/* A parent that ignores it would never hear of the end. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &signals, &before);
	pid = fork();
	if (pid < 0)
		fm_die(FM_CREATE_FAILED, "%s: %s", *program, strerror(errno));
	if (!pid) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		fm_run_program(program, fd);
	}
	status = wait_for(pid, &signals);
	return WIFSIGNALED(status) ? FM_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}
