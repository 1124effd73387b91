# Storage drivers: one program a kind of repository; xapid-host runs them (docs/storage-driver.md).
storagedir = $(pkglibexecdir)/storage
storage_PROGRAMS = storage-repos/ext/ext storage-repos/file/file storage-repos/iso/iso storage-repos/lvm/lvm \
	storage-repos/lvmohba/lvmohba storage-repos/lvmoiscsi/lvmoiscsi storage-repos/nfs/nfs

noinst_LIBRARIES += libdriver.a
libdriver_a_SOURCES = \
	storage-repos/common/device.c storage-repos/common/device.h \
	storage-repos/common/document.c storage-repos/common/document.h \
	storage-repos/common/driver.c storage-repos/common/driver.h \
	storage-repos/common/folder.c storage-repos/common/folder.h \
	storage-repos/common/mount.c storage-repos/common/mount.h \
	storage-repos/common/scsi.c storage-repos/common/scsi.h \
	storage-repos/common/source.c storage-repos/common/source.h \
	storage-repos/common/tool.c storage-repos/common/tool.h
driver_libs = libdriver.a libwire.a libdatamodel.a libbase.a $(YAJL_LIBS) $(XML_LIBS) $(GLIB_LIBS) -lm

# Repositories that are folders, whoever says where: repository_path () is each driver's own.
noinst_LIBRARIES += libfolders.a
libfolders_a_SOURCES = \
	storage-repos/file/clone.c \
	storage-repos/file/coalesce.c \
	storage-repos/file/copy.c \
	storage-repos/file/destroy.c \
	storage-repos/file/disk.c \
	storage-repos/file/exchange.c \
	storage-repos/file/file.h \
	storage-repos/file/header.c \
	storage-repos/file/repository.c \
	storage-repos/file/sweep.c

# Repositories that are volume groups, wherever their devices are: repository_devices () is each driver's own.
noinst_LIBRARIES += libvolumes.a
libvolumes_a_SOURCES = \
	storage-repos/lvm/command.c \
	storage-repos/lvm/disk.c \
	storage-repos/lvm/exchange.c \
	storage-repos/lvm/group.c \
	storage-repos/lvm/lvm.h \
	storage-repos/lvm/record.c \
	storage-repos/lvm/volume.c

# Sessions with targets of iSCSI.
noinst_LIBRARIES += libiscsi.a
libiscsi_a_SOURCES = \
	storage-repos/iscsi/discovery.c \
	storage-repos/iscsi/iscsi.h \
	storage-repos/iscsi/session.c \
	storage-repos/iscsi/target.c \
	storage-repos/iscsi/tool.c

# Folders of servers, whichever: share_of () is each driver's own.  Those that hold repositories of files are libserved.
noinst_LIBRARIES += libshares.a libserved.a
libshares_a_SOURCES = \
	storage-repos/shares/nfs.c \
	storage-repos/shares/share.c \
	storage-repos/shares/share.h \
	storage-repos/shares/smb.c \
	storage-repos/shares/watch.c
libserved_a_SOURCES = storage-repos/shares/folders.c

storage_repos_ext_ext_SOURCES = storage-repos/ext/ext.c
storage_repos_ext_ext_LDADD = libfolders.a $(driver_libs) $(BLKID_LIBS)
storage_repos_file_file_SOURCES = storage-repos/file/file.c
storage_repos_file_file_LDADD = libfolders.a $(driver_libs)
storage_repos_iso_iso_SOURCES = storage-repos/iso/iso.c storage-repos/iso/iso.h storage-repos/iso/place.c
storage_repos_iso_iso_LDADD = libshares.a $(driver_libs)
storage_repos_lvm_lvm_SOURCES = storage-repos/lvm/lvm.c
storage_repos_lvm_lvm_LDADD = libvolumes.a $(driver_libs) $(BLKID_LIBS)
storage_repos_lvmohba_lvmohba_SOURCES = storage-repos/lvmohba/lvmohba.c
storage_repos_lvmohba_lvmohba_LDADD = libvolumes.a $(driver_libs) $(BLKID_LIBS)
storage_repos_lvmoiscsi_lvmoiscsi_SOURCES = storage-repos/lvmoiscsi/lvmoiscsi.c
storage_repos_lvmoiscsi_lvmoiscsi_LDADD = libvolumes.a libiscsi.a $(driver_libs) $(BLKID_LIBS)
storage_repos_nfs_nfs_SOURCES = storage-repos/nfs/nfs.c
storage_repos_nfs_nfs_LDADD = libserved.a libfolders.a libserved.a libshares.a $(driver_libs)
