# The page for browsers, as it is served: xapid/http/page.c has the table of its files.
pagedir = $(pkgdatadir)/page
dist_page_DATA = \
	xapid/page/api.js \
	xapid/page/ask.js \
	xapid/page/console.js \
	xapid/page/element.js \
	xapid/page/hosts.js \
	xapid/page/index.html \
	xapid/page/login.js \
	xapid/page/main.js \
	xapid/page/page.css \
	xapid/page/records.js \
	xapid/page/rows.js \
	xapid/page/tasks.js \
	xapid/page/trouble.js \
	xapid/page/vms.js
