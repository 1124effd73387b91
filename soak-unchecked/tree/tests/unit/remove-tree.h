/* The end of a folder that a test made. */
#ifndef XAPID_TESTS_REMOVE_TREE_H
#define XAPID_TESTS_REMOVE_TREE_H

/* With all that is in it; one that is not there is no error. */
void remove_tree(const char *path);

#endif
