/*
 * rights.h - what the process may still do once everything is open.
 */
#ifndef RIGHTS_H
#define RIGHTS_H

/*
 * Give up all capabilities but CAP_NET_RAW, which sources of receivers that a
 * reload brings may need.  0, or -1 with errno.
 */
int rights_drop(void);

#endif /* RIGHTS_H */
