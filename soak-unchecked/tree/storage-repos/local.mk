# Storage drivers: one program a kind of repository; xapid-host runs them (docs/storage-driver.md).
storagedir = $(pkglibexecdir)/storage
storage_PROGRAMS = storage-repos/ext/ext storage-repos/file/file storage-repos/iso/iso storage-repos/lvm/lvm \
	storage-repos/nfs/nfs

noinst_LIBRARIES += libdriver.a
libdriver_a_SOURCES = \
	storage-repos/common/device.c storage-repos/common/device.h \
	storage-repos/common/driver.c storage-repos/common/driver.h \
	storage-repos/common/folder.c storage-repos/common/folder.h \
	storage-repos/common/mount.c storage-repos/common/mount.h \
	storage-repos/common/source.c storage-repos/common/source.h \
	storage-repos/common/tool.c storage-repos/common/tool.h
driver_libs = libdriver.a libwire.a libdatamodel.a libbase.a $(YAJL_LIBS) $(XML_LIBS) $(GLIB_LIBS) -lm

# Repositories that are folders, whoever says where: repository_path () is each driver's own.
noinst_LIBRARIES += libfolders.a
libfolders_a_SOURCES = \
	storage-repos/file/clone.c \
	storage-repos/file/copy.c \
	storage-repos/file/destroy.c \
	storage-repos/file/disk.c \
	storage-repos/file/exchange.c \
	storage-repos/file/file.h \
	storage-repos/file/header.c \
	storage-repos/file/repository.c \
	storage-repos/file/sweep.c

storage_repos_ext_ext_SOURCES = storage-repos/ext/ext.c
storage_repos_ext_ext_LDADD = libfolders.a $(driver_libs) $(BLKID_LIBS)
storage_repos_file_file_SOURCES = storage-repos/file/file.c
storage_repos_file_file_LDADD = libfolders.a $(driver_libs)
storage_repos_iso_iso_SOURCES = storage-repos/iso/iso.c
storage_repos_iso_iso_LDADD = $(driver_libs)
storage_repos_lvm_lvm_SOURCES = \
	storage-repos/lvm/command.c \
	storage-repos/lvm/disk.c \
	storage-repos/lvm/group.c \
	storage-repos/lvm/lvm.c storage-repos/lvm/lvm.h \
	storage-repos/lvm/record.c \
	storage-repos/lvm/volume.c
storage_repos_lvm_lvm_LDADD = $(driver_libs) $(BLKID_LIBS)
storage_repos_nfs_nfs_SOURCES = storage-repos/nfs/nfs.c
storage_repos_nfs_nfs_LDADD = libfolders.a $(driver_libs)
